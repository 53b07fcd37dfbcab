//! Each target of `packaging/cross`: it agrees with C in every size, offset and number that crosses to it, passes the tests of the library
//! and of `tests/pure`, and guards machines; what is built for users is one small static file. Emulators run what this machine does not.
//!
//! Needs Debian's rustc-web, cargo-web, rust-web-src and qemu-user, the network, and for each target some eight minutes of one processor.
//! Always tried is MIPS with the highest byte first, without what takes longest; `.ci/run` has no time for more. `MAINSD_TWO_TARGETS=1` tries
//! ARMv7 in the same way, `MAINSD_TARGETS=1` the others, and both variables all of them, whole.
//! `MAINSD_CROSS` names a folder with finished builds (`target/cross`), which is used as it is; default: built where it is not up to date.

pub mod checks;
pub mod table;

use crate::support::runner::Needs;

/// The tests of a target.
macro_rules! target {
    ($name:ident $target:ident $needs:expr) => {
        pub mod $name {
            use super::checks;
            use super::table::{Build, $target as TARGET};
            use crate::support::runner::{Group, tests};

            pub const TESTS: Group = Group {
                long: true,
                needs: $needs,
                build: Some(|_| checks::build(&TARGET, &[Build::Tests])),
                tests: tests![
                    every_size_offset_and_number_is_as_c_has_it,
                    the_library_passes_its_tests,
                    recordings_devices_and_power_pass_their_tests,
                    a_master_its_slave_and_a_client_go_through_an_outage,
                ],
                ..Group::new(module_path!())
            };

            pub const BUILDS: Group = Group {
                long: true,
                needs: super::ASKED,
                build: Some(|_| checks::build(&TARGET, &[Build::Whole, Build::Router])),
                tests: tests![each_build_is_one_small_static_file],
                ..Group::new(concat!("ci::targets::", stringify!($name), "::builds"))
            };

            fn each_build_is_one_small_static_file() {
                checks::each_build_is_one_small_static_file(&TARGET);
            }

            fn every_size_offset_and_number_is_as_c_has_it() {
                checks::agrees_with_c(&TARGET);
            }

            fn the_library_passes_its_tests() {
                checks::passes(&TARGET, "lib", &[]);
            }

            fn recordings_devices_and_power_pass_their_tests() {
                checks::passes(&TARGET, "pure", &checks::PURE);
            }

            fn a_master_its_slave_and_a_client_go_through_an_outage() {
                checks::a_master_its_slave_and_a_client_go_through_an_outage(&TARGET);
            }
        }
    };
}

/// The variable of the environment for all of it.
pub const ON_DEMAND: &str = "MAINSD_TARGETS";
const ASKED: Needs = Needs::Asked(ON_DEMAND, "what the other targets need, and minutes of time for each");
/// MIPS has the least in common with the machine of a developer: 32 bits, and the highest byte first.
const ALWAYS: Needs =
    Needs::Ci("Debian's rustc-web, cargo-web, rust-web-src and qemu-user, the network, and minutes of time");
const TWO: Needs = Needs::Asked("MAINSD_TWO_TARGETS", "what MIPS needs, and minutes of time");

target!(mips MIPS super::ALWAYS);
target!(armv7 ARMV7 super::TWO);
target!(mipsel MIPSEL super::ASKED);
target!(arm ARM super::ASKED);
target!(aarch64 AARCH64 super::ASKED);
target!(i686 I686 super::ASKED);
target!(x86_64 X86_64 super::ASKED);
