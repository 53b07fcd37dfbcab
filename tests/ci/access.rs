//! Debian's own `apcaccess` beside ours: both print the same bytes.

use std::path::Path;

use crate::support::access::{self as client, access};
use crate::support::run_program;
use crate::support::runner::{Group, Needs, tests};

pub const TESTS: Group = Group {
    needs: Needs::Ci("Debian's package apcupsd, for its apcaccess"),
    tests: tests![
        debians_apcaccess_and_ours_print_the_same_for_each_form_of_the_command_line,
        debians_apcaccess_and_ours_refuse_with_the_same_words_and_status,
    ],
    ..Group::new(module_path!())
};

fn debian() -> &'static Path {
    let found =
        ["/usr/sbin/apcaccess", "/sbin/apcaccess"].into_iter().map(Path::new).find(|path| path.exists());
    found.expect("MAINSD_CI=1 needs Debian's package apcupsd: no /sbin/apcaccess")
}

fn debians_apcaccess_and_ours_print_the_same_for_each_form_of_the_command_line() {
    client::prints(&[&access, &|args| run_program(debian(), args)]);
}

fn debians_apcaccess_and_ours_refuse_with_the_same_words_and_status() {
    client::refuses(&[&access, &|args| run_program(debian(), args)]);
}
