//! The system calls that a plugin may not make, as a filter program of the kernel's (seccomp_rule: BPF).
//!
//! Landlock knows files, TCP and signals. What it does not know is refused here: other sockets, modes, owners and attributes
//! of files, what file systems do by `ioctl`, leaving the process group, other processes' limits and priorities, memory that
//! no limit counts, and parts of the kernel that a plugin has no use for. It is a list of what is refused, not of what is
//! allowed: plugins come in any language, and which calls a runtime makes changes with its version. So that this is no
//! promise about calls to come, those are refused as unknown.
//!
//! Made before the fork; the child only hands it to the kernel. `docs/decisions/009-sandbox.md` says why this is no library.

use libc::{c_long, sock_filter};

/// `AUDIT_ARCH_*` (linux/audit.h) of this program; none where its calls have other numbers than are known here.
pub(super) const ARCHITECTURE: Option<u32> = if cfg!(all(target_arch = "x86_64", target_pointer_width = "64"))
{
    Some(0xc000_003e)
} else if cfg!(target_arch = "aarch64") {
    Some(0xc000_00b7)
} else if cfg!(target_arch = "riscv64") {
    Some(0xc000_00f3)
} else {
    None
};

// Calls from 424 on have one number on all architectures.
const FCHMODAT2: c_long = 452;
const CLONE3: c_long = 435;
const IO_URING: std::ops::RangeInclusive<c_long> = 425..=427;
const MEMFD_SECRET: c_long = 447;
const SETXATTRAT: c_long = 463;
const REMOVEXATTRAT: c_long = 466;
const FILE_SETATTR: c_long = 469;
/// Mounting by descriptors: open_tree, move_mount, fsopen, fsconfig, fsmount, fspick; mount_setattr; open_tree_attr.
const MOUNTS: [c_long; 8] = [428, 429, 430, 431, 432, 433, 442, 467];
const PIDFD_GETFD: c_long = 438;
/// Whatever is newer is not known here. file_setattr came with Linux 6.17.
const NEWEST: u32 = 469;

/// Bits of a call's number that mean the 32-bit pointers of x32 on x86_64.
const X32: u32 = 0x4000_0000;

/// An argument of a call, of which some bits have that value. Of 64 bits the lower half, unless said.
#[derive(Debug, Clone, Copy)]
struct Is {
    argument: u32,
    upper: bool,
    mask: u32,
    value: u32,
}

const fn is(argument: u32, value: u32) -> Is {
    Is { argument, upper: false, mask: u32::MAX, value }
}

const fn bits(argument: u32, mask: u32, value: u32) -> Is {
    Is { argument, upper: false, mask, value }
}

/// A call that is refused with that error, unless all of one of these hold.
struct Rule {
    call: c_long,
    error: i32,
    unless: Vec<Vec<Is>>,
}

/// Which calls are refused.
fn rules(network: bool) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut unless =
        |call: c_long, error: i32, unless: Vec<Vec<Is>>| rules.push(Rule { call, error, unless });
    // Those that depend on arguments first: the kernel remembers of all others that they are allowed.
    let (shared, anonymous) = (libc::MAP_SHARED.cast_unsigned(), libc::MAP_ANONYMOUS.cast_unsigned());
    // Shared memory of nobody's file is counted by no limit, nor is what counts as a stack; private memory is (MAP_PRIVATE is
    // another bit).
    let no_stack = bits(3, libc::MAP_GROWSDOWN.cast_unsigned(), 0);
    let counted = vec![vec![no_stack, bits(3, shared, 0)], vec![no_stack, bits(3, anonymous, 0)]];
    unless(libc::SYS_mmap, libc::EPERM, counted);
    unless(libc::SYS_clone, libc::EPERM, vec![vec![bits(0, NAMESPACES, 0)]]);
    let (internet, internet6) = (libc::AF_INET.cast_unsigned(), libc::AF_INET6.cast_unsigned());
    let addresses = vec![is(0, libc::AF_NETLINK.cast_unsigned()), is(2, libc::NETLINK_ROUTE.cast_unsigned())];
    let sockets =
        if network { vec![vec![is(0, internet)], vec![is(0, internet6)], addresses] } else { Vec::new() };
    unless(libc::SYS_socket, libc::EACCES, sockets);
    // A pair of datagram sockets could be connected anew, to somebody else's.
    let pair =
        |kind: libc::c_int| vec![is(0, libc::AF_UNIX.cast_unsigned()), bits(1, 0xf, kind.cast_unsigned())];
    let pairs = vec![pair(libc::SOCK_STREAM), pair(libc::SOCK_SEQPACKET)];
    unless(libc::SYS_socketpair, libc::EACCES, pairs);
    // Of itself alone.
    for call in [
        libc::SYS_prlimit64,
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_setattr,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setscheduler,
    ] {
        unless(call, libc::EPERM, vec![vec![is(0, 0)]]);
    }
    unless(libc::SYS_setpriority, libc::EPERM, vec![vec![is(0, 0), is(1, 0)]]);
    unless(libc::SYS_ioprio_set, libc::EPERM, vec![vec![is(0, 1), is(1, 0)]]);
    // An open file may be given a mode by which nobody else may write to it: copying a file needs that.
    unless(libc::SYS_fchmod, libc::EPERM, vec![vec![bits(1, 0o6022, 0)]]);
    // The times of an open file: no path.
    let no_path = vec![is(1, 0), Is { upper: true, ..is(1, 0) }];
    unless(libc::SYS_utimensat, libc::EPERM, vec![no_path]);
    // What a terminal, a pipe or a socket is asked, and copying a file. All else is for file systems and devices: who may
    // read a file of their own can give it attributes by that, or a directory another one within it, and Landlock is not asked.
    let of = |kind: u8| vec![bits(1, 0xff00, u32::from(kind) << 8)];
    let known = vec![of(b'T'), of(SOCKETS), vec![is(1, FICLONE)], vec![is(1, FICLONERANGE)]];
    unless(libc::SYS_ioctl, libc::ENOTTY, known);
    for call in REFUSED {
        unless(*call, libc::EPERM, Vec::new());
    }
    for call in IO_URING.chain(MOUNTS) {
        unless(call, libc::EPERM, Vec::new());
    }
    // Its flags are behind a pointer, where no filter sees them; libraries use clone then.
    unless(CLONE3, libc::ENOSYS, Vec::new());
    rules
}

/// The kind of those requests to `ioctl` that are for sockets (asm-generic/sockios.h).
const SOCKETS: u8 = 0x89;
/// Requests by which a file shares the blocks of another (linux/fs.h); the file that is written has to be open for that.
const FICLONE: u32 = 0x4004_9409;
const FICLONERANGE: u32 = 0x4020_940d;

/// CLONE_NEW…: TIME, NS, CGROUP, UTS, IPC, USER, PID, NET.
const NAMESPACES: u32 =
    0x80 | 0x2_0000 | 0x200_0000 | 0x400_0000 | 0x800_0000 | 0x1000_0000 | 0x2000_0000 | 0x4000_0000;

/// Calls that are refused whatever they are given.
const REFUSED: &[c_long] = &[
    // Modes, owners and attributes of files: Landlock does not ask who changes them.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    libc::SYS_fchmodat,
    FCHMODAT2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    SETXATTRAT,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    REMOVEXATTRAT,
    FILE_SETATTR,
    // Watching what others do with files; there are few watches for all of a user's programs.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_inotify_init,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_add_watch,
    libc::SYS_fanotify_init,
    // Leaving the group, which is killed with the plugin.
    libc::SYS_setsid,
    libc::SYS_setpgid,
    // Other processes. Landlock lets them be, too; this holds on each kernel.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    PIDFD_GETFD,
    // Namespaces and mounts: a plugin would have privileges in them.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    // Keys of the user.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Parts of the kernel that have been ways out of sandboxes.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_syslog,
    // Memory that no limit counts, and ways to other processes of the user.
    libc::SYS_memfd_create,
    MEMFD_SECRET,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semctl,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_msgget,
    libc::SYS_msgctl,
    libc::SYS_msgrcv,
    libc::SYS_msgsnd,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
];

/// Where the parts of a call stand (struct seccomp_data).
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

// Instructions: loading 32 bits, comparing, giving the verdict (linux/bpf_common.h).
const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const IF_EQUAL: u16 = 0x15;
const IF_GREATER: u16 = 0x25;
const IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;

const fn instruction(code: u16, value: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k: value }
}

const fn refuse(error: i32) -> sock_filter {
    instruction(RETURN, libc::SECCOMP_RET_ERRNO | error.cast_unsigned(), 0, 0)
}

const ALLOW: sock_filter = instruction(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0);

/// The program; nothing where this architecture is not known.
pub(super) fn filter(network: bool) -> Option<Vec<sock_filter>> {
    let architecture = ARCHITECTURE?;
    // Whoever calls as another architecture would have other numbers.
    let mut program = vec![
        instruction(LOAD, ARCH, 0, 0),
        instruction(IF_EQUAL, architecture, 1, 0),
        instruction(RETURN, libc::SECCOMP_RET_KILL_PROCESS, 0, 0),
        instruction(LOAD, NUMBER, 0, 0),
    ];
    if cfg!(target_arch = "x86_64") {
        program.extend([instruction(IF_AT_LEAST, X32, 0, 1), refuse(libc::ENOSYS)]);
    }
    program.extend([instruction(IF_GREATER, NEWEST, 0, 1), refuse(libc::ENOSYS)]);
    for rule in rules(network) {
        let mut body = Vec::new();
        for all in &rule.unless {
            body.extend(allow_if(all));
        }
        body.push(refuse(rule.error));
        let over = u8::try_from(body.len()).expect("a rule is a few instructions long");
        let call = u32::try_from(rule.call).expect("calls have small numbers");
        program.push(instruction(IF_EQUAL, call, 0, over));
        program.extend(body);
    }
    program.push(ALLOW);
    Some(program)
}

/// Allows where all of them hold, and goes on otherwise.
fn allow_if(all: &[Is]) -> Vec<sock_filter> {
    const EACH: usize = 3;
    let length = all.len() * EACH + 1;
    let mut program = Vec::with_capacity(length);
    for (at, is) in all.iter().enumerate() {
        // The lower half of an argument comes first: all architectures here are little-endian.
        let place = ARGUMENTS + 8 * is.argument + if is.upper { 4 } else { 0 };
        let over = u8::try_from(length - (at + 1) * EACH).expect("a rule has few conditions");
        program.extend([
            instruction(LOAD, place, 0, 0),
            instruction(AND, is.mask, 0, 0),
            instruction(IF_EQUAL, is.value, 0, over),
        ]);
    }
    program.push(ALLOW);
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would answer to a call: the few instructions that are used here, as `bpf(4)` has them.
    fn verdict(program: &[sock_filter], arch: u32, number: u32, arguments: [u64; 6]) -> u32 {
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            at += 1;
            let jump = |truth: bool| usize::from(if truth { jt } else { jf });
            match code {
                LOAD => {
                    accumulator = match k {
                        NUMBER => number,
                        ARCH => arch,
                        place => {
                            let place = place - ARGUMENTS;
                            let argument = arguments[(place / 8) as usize];
                            (if place % 8 == 4 { argument >> 32 } else { argument & 0xffff_ffff }) as u32
                        }
                    }
                }
                AND => accumulator &= k,
                IF_EQUAL => at += jump(accumulator == k),
                IF_GREATER => at += jump(accumulator > k),
                IF_AT_LEAST => at += jump(accumulator >= k),
                RETURN => return k,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    fn errno(error: i32) -> u32 {
        libc::SECCOMP_RET_ERRNO | error as u32
    }

    #[track_caller]
    fn check(network: bool, call: c_long, arguments: [u64; 6], wanted: u32) {
        let program = filter(network).unwrap();
        assert_eq!(verdict(&program, ARCHITECTURE.unwrap(), call as u32, arguments), wanted);
    }

    const OK: u32 = libc::SECCOMP_RET_ALLOW;

    #[test]
    fn what_is_refused_whatever_it_is_given() {
        for call in REFUSED {
            check(true, *call, [0; 6], errno(libc::EPERM));
        }
        for call in [libc::SYS_read, libc::SYS_execve, libc::SYS_openat, libc::SYS_kill, libc::SYS_exit_group]
        {
            check(false, call, [u64::MAX; 6], OK);
        }
        check(false, CLONE3, [0; 6], errno(libc::ENOSYS));
    }

    #[test]
    fn sockets() {
        let (inet, unix, netlink) = (libc::AF_INET as u64, libc::AF_UNIX as u64, libc::AF_NETLINK as u64);
        for (network, family, protocol, wanted) in [
            (false, inet, 0, errno(libc::EACCES)),
            (false, unix, 0, errno(libc::EACCES)),
            (true, inet, 0, OK),
            (true, libc::AF_INET6 as u64, 17, OK),
            (true, netlink, 0, OK),
            (true, netlink, 9, errno(libc::EACCES)),
            (true, unix, 0, errno(libc::EACCES)),
            (true, libc::AF_PACKET as u64, 0, errno(libc::EACCES)),
            // The kernel takes the lower half alone.
            (true, unix | 2 << 32, 0, errno(libc::EACCES)),
        ] {
            check(network, libc::SYS_socket, [family, 1, protocol, 0, 0, 0], wanted);
        }
        for (family, kind, wanted) in [
            (unix, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, OK),
            (unix, libc::SOCK_SEQPACKET, OK),
            (unix, libc::SOCK_DGRAM, errno(libc::EACCES)),
            (unix, libc::SOCK_RAW, errno(libc::EACCES)),
            (libc::AF_TIPC as u64, libc::SOCK_STREAM, errno(libc::EACCES)),
        ] {
            check(false, libc::SYS_socketpair, [family, kind as u64, 0, 0, 0, 0], wanted);
        }
    }

    #[test]
    fn what_depends_on_arguments() {
        let (eperm, enotty) = (errno(libc::EPERM), errno(libc::ENOTTY));
        let shared = (libc::MAP_SHARED | libc::MAP_ANONYMOUS) as u64;
        let private = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
        for (call, arguments, wanted) in [
            (libc::SYS_mmap, [0, 4096, 3, shared, 0, 0], eperm),
            (libc::SYS_mmap, [0, 4096, 3, private, 0, 0], OK),
            (libc::SYS_mmap, [0, 4096, 3, private | libc::MAP_GROWSDOWN as u64, 0, 0], eperm),
            (libc::SYS_mmap, [0, 4096, 1, libc::MAP_SHARED as u64, 4, 0], OK),
            (libc::SYS_clone, [libc::CLONE_VM as u64, 0, 0, 0, 0, 0], OK),
            (libc::SYS_clone, [libc::CLONE_NEWUSER as u64, 0, 0, 0, 0, 0], eperm),
            (libc::SYS_prlimit64, [0; 6], OK),
            (libc::SYS_prlimit64, [7, 0, 0, 0, 0, 0], eperm),
            (libc::SYS_setpriority, [0; 6], OK),
            (libc::SYS_setpriority, [2, 0, 0, 0, 0, 0], eperm),
            (libc::SYS_setpriority, [0, 7, 0, 0, 0, 0], eperm),
            (libc::SYS_fchmod, [3, 0o755, 0, 0, 0, 0], OK),
            (libc::SYS_fchmod, [3, 0o4755, 0, 0, 0, 0], eperm),
            (libc::SYS_fchmod, [3, 0o666, 0, 0, 0, 0], eperm),
            // TCGETS, FIONREAD.
            (libc::SYS_ioctl, [1, 0x5401, 0, 0, 0, 0], OK),
            (libc::SYS_ioctl, [3, 0x541b, 0, 0, 0, 0], OK),
            (libc::SYS_ioctl, [3, u64::from(FICLONE), 4, 0, 0, 0], OK),
            // FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR, FS_IOC_ENABLE_VERITY, BTRFS_IOC_SUBVOL_CREATE; the kernel takes 32 bits.
            (libc::SYS_ioctl, [3, 0x4008_6602, 0, 0, 0, 0], enotty),
            (libc::SYS_ioctl, [3, 0x401c_5820, 0, 0, 0, 0], enotty),
            (libc::SYS_ioctl, [3, 0x4080_6685, 0, 0, 0, 0], enotty),
            (libc::SYS_ioctl, [3, 0x5000_940e, 0, 0, 0, 0], enotty),
            (libc::SYS_ioctl, [3, 0x5400_4008_6602, 0, 0, 0, 0], enotty),
            (libc::SYS_utimensat, [3, 0, 0, 0, 0, 0], OK),
            (libc::SYS_utimensat, [3, 1, 0, 0, 0, 0], eperm),
            (libc::SYS_utimensat, [3, 1 << 32, 0, 0, 0, 0], eperm),
        ] {
            check(false, call, arguments, wanted);
        }
        let namespaces = libc::CLONE_NEWNS
            | libc::CLONE_NEWCGROUP
            | libc::CLONE_NEWUTS
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUSER
            | libc::CLONE_NEWPID
            | libc::CLONE_NEWNET
            | libc::CLONE_NEWTIME;
        assert_eq!(NAMESPACES, namespaces as u32);
    }

    #[test]
    fn other_ways_to_call_are_closed() {
        let program = filter(false).unwrap();
        let here = ARCHITECTURE.unwrap();
        let i386 = 0x4000_0003;
        assert_eq!(verdict(&program, i386, 1, [0; 6]), libc::SECCOMP_RET_KILL_PROCESS);
        assert_eq!(verdict(&program, here, NEWEST + 1, [0; 6]), errno(libc::ENOSYS));
        assert_eq!(verdict(&program, here, X32 | 1, [0; 6]), errno(libc::ENOSYS));
        assert_eq!(verdict(&program, here, u32::MAX, [0; 6]), errno(libc::ENOSYS));
        // The kernel takes no longer ones (BPF_MAXINSNS).
        assert!(program.len() <= 4096, "{}", program.len());
    }
}
