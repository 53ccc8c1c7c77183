#!/usr/bin/env perl
# The contract `users` 1.0.0 as a minimal plugin in Perl, with what comes with it, by protocol/SPEC.md alone.
# The first half is what this plugin does; the second, the protocol, is the same in any other.
use strict;
use warnings;
use utf8;
use Encode qw(encode);
use FindBin qw($RealBin);
use JSON::PP ();
use POSIX ();

my %PLUGIN = (name => 'users-perl', version => '0.1.0');
my $JSON = JSON::PP->new->allow_nonref->allow_bignum; # so that what no number can hold becomes no string

# What a value must be: a test, or a hash of such. A name that ends in `?` may be absent.
my $text = sub { defined $_[0] && !ref $_[0] && !is_number($_[0]) };
my $texts = list($text);
my %ID = (opaque_id => $text, idp => $text);
my %USER = (id => \%ID, username => $text, mail => $text, display_name => $text, 'groups?' => $texts, 'opaque?' => {});
my %CONFIG = ('file?' => sub { !defined $_[0] || $text->($_[0]) });

# The methods of the contract: what their params must be, and what answers them.
my %METHODS = (
    'users.on_load' => [{ file => $text }, \&load],
    'users.get_user' => [{ id => \%ID }, sub { find(has_id($_[0]{id})) }],
    'users.get_user_groups' => [{ id => \%ID }, sub { find(has_id($_[0]{id}))->{groups} }],
    'users.get_user_by_claim' => [
        { claim => sub { $text->($_[0]) && $_[0] =~ /\A(?:mail|username|display_name)\z/ }, value => $text },
        sub { my ($claim, $value) = @{ $_[0] }{qw(claim value)}; find(sub { $_[0]{$claim} eq $value }) },
    ],
    'users.find_users' => [{ query => $text }, sub { search(lc $_[0]{query}) }],
);

my @users;

sub read_json {
    my ($file) = @_;
    open my $in, '<:raw', encode('UTF-8', $file) or die "$!\n";
    local $/;
    my $bytes = <$in> // die "$!\n";
    return parse($bytes);
}

sub read_users {
    my ($file) = @_;
    my $records = read_json($file);
    ref $records eq 'ARRAY' or die "it is no list\n";
    for my $at (0 .. $#$records) {
        my @wrong = faults($records->[$at], \%USER);
        die "/$at$wrong[0]{path} is missing or wrong\n" if @wrong;
        delete $records->[$at]{secret};
        $records->[$at]{groups} //= [];
    }
    return @$records;
}

sub load {
    my ($params) = @_;
    eval { @users = read_users($params->{file}); 1 } and return undef;
    my $reason = "$params->{file}: " . ($@ =~ s/\n\z//r);
    fault(2, "the users cannot be loaded: $reason", { reason => $reason });
}

sub configure {
    my ($config) = @_;
    my @errors = (faults($config, \%CONFIG), unknown($config, \%CONFIG));
    if (!@errors) {
        eval { @users = read_users($config->{file} // "$RealBin/../data/users.json"); 1 } and return;
        @errors = { path => '/file', message => $@ =~ s/\n\z//r };
    }
    fault(-32002, 'the config is wrong', { errors => \@errors });
}

sub has_id {
    my ($id) = @_;
    return sub { $_[0]{id}{opaque_id} eq $id->{opaque_id} && $_[0]{id}{idp} eq $id->{idp} };
}

sub find {
    my ($is) = @_;
    $is->($_) and return $_ for @users;
    fault(1, 'no such user');
}

sub search {
    my ($query) = @_;
    return [grep { my $user = $_; grep { index(lc, $query) >= 0 } @$user{qw(username display_name mail)}, $user->{id}{opaque_id} } @users];
}

# --- the protocol

# The longest line that is taken: what holds before the handshake, and is declared for after it.
my $LIMIT = 1 << 20;
my %INITIALIZE = (
    protocolVersions => list(\&is_integer),
    'host?' => { name => $text, version => $text },
    'instance?' => $text,
    'limits?' => {
        'maxLineBytes?' => at_least(65536), 'maxInFlight?' => at_least(1), 'maxDepth?' => at_least(1),
        'streamWindowBytes?' => at_least(65536),
    },
    'capabilities?' => { 'progress?' => {}, 'log?' => {}, 'streams?' => {}, 'callbacks?' => { methods => $texts } },
);

# What every plugin has.
my %OWN = (
    'rpc.ping' => [{}, sub { {} }],
    'rpc.discover' => [{}, \&manifest],
    'rpc.initialize' => [\%INITIALIZE, \&initialize],
    'rpc.shutdown' => [{ 'graceMs?' => at_least(0) }, \&shut_down],
);

my $phase = 'new'; # then 'ready', then 'closing'
my $host_limit = $LIMIT; # the longest line that the host takes

# What is answered in place of a result.
sub fault {
    my ($code, $message, $data) = @_;
    die { code => $code, message => $message, $data ? (data => $data) : () };
}

sub manifest {
    my $manifest = read_json("$RealBin/../users.openrpc.json");
    @{ $manifest->{info} }{qw(title version)} = @PLUGIN{qw(name version)};
    return $manifest;
}

sub initialize {
    my ($params) = @_;
    grep { $_ == 1 } @{ $params->{protocolVersions} }
        or fault(-32001, 'only version 1 is spoken here', { supported => [1] });
    configure(exists $params->{config} ? $params->{config} : {});
    $phase = 'ready';
    $host_limit = $params->{limits}{maxLineBytes} // 16 << 20;
    return {
        protocolVersion => 1,
        plugin => \%PLUGIN,
        provides => manifest()->{'x-plugline'}{provides},
        limits => { maxLineBytes => $LIMIT, maxInFlight => 1 },
    };
}

sub shut_down {
    $phase = 'closing';
    return undef;
}

sub call {
    my ($name, $params) = @_;
    fault(-32003, 'shutting down') if $phase eq 'closing' && $name ne 'rpc.ping';
    fault(-32000, 'not initialized') if $phase eq 'new' && !$OWN{$name};
    fault(-32600, 'initialized already') if $phase eq 'ready' && $name eq 'rpc.initialize';
    my ($shape, $run) = @{ $OWN{$name} // $METHODS{$name} // fault(-32601, 'no such method') };
    delete $params->{_meta} if ref $params eq 'HASH';
    my @errors = (faults($params, $shape), $OWN{$name} ? () : unknown($params, $shape));
    fault(-32602, 'the params are wrong', { errors => \@errors }) if @errors;
    return $run->($params);
}

# The answer to a line; nothing answers a notification, or a response.
sub answer {
    my ($line) = @_;
    my $id;
    my $answer = eval {
        my $message = eval { parse($line) };
        fault(-32700, 'the line is not JSON') if $@;
        fault(-32600, 'a message is an object') if ref $message ne 'HASH';
        my $outcomes = grep { exists $message->{$_} } qw(result error);
        my $asks = exists $message->{method};
        my $spoken = ($message->{jsonrpc} // '') eq '2.0' && $text->($message->{jsonrpc});
        my $valid = is_id($message->{id});
        if (!$outcomes && $text->($message->{method}) && !exists $message->{id} # a notification
            || $outcomes == 1 && !$asks && $valid && $spoken) { # a response
            warn 'ignored: ', substr($line, 0, 200), "\n";
            return undef;
        }
        fault(-32600, 'neither a request nor a notification') if $outcomes || !$asks || !$valid;
        $id = $message->{id};
        my $params = exists $message->{params} ? $message->{params} : {};
        fault(-32600, 'jsonrpc, method or params are wrong')
            if !$spoken || !$text->($message->{method}) || ref($params) !~ /\A(?:HASH|ARRAY)\z/;
        return { result => call($message->{method}, $params) };
    };
    return if !$answer && !$@;
    warn $@ if $@ && !ref $@; # ours, not the host's
    $answer //= { error => ref $@ ? $@ : { code => -32603, message => 'internal error' } };
    return { jsonrpc => '2.0', id => $id, %$answer };
}

sub parse {
    my ($text) = @_;
    utf8::decode($text) && $text !~ /[\x{d800}-\x{dfff}]|[^\x{0}-\x{10ffff}]/ or die "it is not UTF-8\n";
    return $JSON->decode($text);
}

sub is_number { return !ref $_[0] && $JSON->encode($_[0]) =~ /\A[-0-9]/ }

sub is_integer { return is_number($_[0]) && $_[0] == int $_[0] && abs $_[0] < 2**53 }

sub is_id {
    my ($id) = @_;
    return length encode('UTF-8', $id) <= 256 if $text->($id);
    return defined $id && $JSON->encode($id) =~ /\A(?:0|[1-9][0-9]{0,15})\z/ && $id < 2**53;
}

sub at_least { my ($least) = @_; return sub { defined $_[0] && is_integer($_[0]) && $_[0] >= $least } }

sub list {
    my ($is) = @_;
    return sub { ref $_[0] eq 'ARRAY' && @{ $_[0] } == grep { $is->($_) } @{ $_[0] } };
}

sub faults {
    my ($value, $shape, $path) = (@_, '');
    return ref $shape eq 'CODE' && $shape->($value) ? () : { path => $path, message => 'missing or wrong' }
        if ref $shape eq 'CODE' || ref $value ne 'HASH';
    return map {
        my $name = s/\?\z//r;
        exists $value->{$name} || $name eq $_ ? faults($value->{$name}, $shape->{$_}, "$path/$name") : ()
    } sort keys %$shape;
}

sub unknown {
    my ($value, $shape) = @_;
    return if ref $value ne 'HASH';
    return map { { path => '/' . s/~/~0/gr =~ s{/}{~1}gr, message => 'unknown' } }
        grep { !exists $shape->{$_} && !exists $shape->{"$_?"} } sort keys %$value;
}

sub put {
    my ($answer) = @_;
    my $line = encode('UTF-8', $JSON->encode($answer));
    if (length $line > $host_limit) {
        my %data = (limit => $host_limit, size => length $line);
        my %error = (code => -32007, message => 'the answer is too long', data => \%data);
        $line = encode('UTF-8', $JSON->encode({ jsonrpc => '2.0', id => $answer->{id}, error => \%error }));
    }
    print "$line\n" or exit 1; # nobody reads any more
}

# What was asked is answered before SIGTERM ends this; SIGINT is meant for the host, who will say so.
my $term = POSIX::SigSet->new(POSIX::SIGTERM);
$SIG{TERM} = sub { POSIX::_exit(0) };
$SIG{INT} = sub { };
$| = 1;

my ($buffer, $length, $first) = ('', 0, 1); # what there is of the next line, and how long it is by now
while (sysread STDIN, my $chunk, 65536) {
    POSIX::sigprocmask(POSIX::SIG_BLOCK, $term);
    for my $part (split /(?<=\n)/, $chunk) {
        $length += length $part;
        $buffer = $length > $LIMIT + 1 ? substr($part, -1) : $buffer . $part;
        next if $buffer !~ /\n\z/;
        my ($line, $size) = ($buffer =~ s/\n\z//r, $length - 1);
        $line =~ s/\A\xef\xbb\xbf// if $first;
        ($buffer, $length, $first) = ('', 0, 0);
        if ($size > $LIMIT) {
            my %error = (code => -32007, message => 'the line is too long', data => { limit => $LIMIT, size => $size });
            put({ jsonrpc => '2.0', id => undef, error => \%error });
        }
        elsif ($line =~ /[^ \t\r]/) {
            my $answer = answer($line);
            put($answer) if $answer;
        }
    }
    POSIX::sigprocmask(POSIX::SIG_UNBLOCK, $term);
}
