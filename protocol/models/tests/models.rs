//! Every model.

use plugline_protocol_models::models;

macro_rules! models {
    ($($group:ident: $($model:ident)*;)*) => {
        $(mod $group {
            $(#[test]
            fn $model() {
                super::models::$group::$model();
            })*
        })*
    };
}

models! {
    callers: two_callers three_callers an_offer_comes_too_late the_watch_reads_when_callers_have_left
        the_watch_fires_while_a_caller_takes_the_seat a_reader_panics;
    ends: the_other_side_hangs_up the_other_side_hangs_up_after_an_answer one_of_two_callers_is_cancelled
        two_callers_are_cancelled;
    interrupts: an_interrupt_ends_a_sleep two_interrupts_end_two_sleeps;
    usages: whoever_retires_an_instance_sees_its_last_call_leave an_idle_instance_is_retired_or_used
        a_watch_is_taken_up_again_once;
    servers: a_server_stands_by_while_a_caller_reads a_handler_calls_back
        the_watch_promotes_while_a_handler_runs a_task_and_a_caller a_task_and_a_caller_without_the_watch a_server_leaves_while_a_caller_waits
        two_servers_come_back_while_a_caller_reads the_other_side_hangs_up_while_a_server_stands_by;
    writers: writers_combine writers_combine_where_the_pipe_is_full a_pen_is_put_back
        the_last_line_is_written_before_the_pipe_is_closed an_abort_ends_a_write;
}
