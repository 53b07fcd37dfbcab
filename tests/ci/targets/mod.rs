//! Each target of `packaging/cross`: it agrees with C in every size, offset and number that crosses to it, passes the tests of the library
//! and of `tests/pure`, and guards machines; what is built for users is one small static file. Emulators run what this machine does not.
//!
//! Needs Debian's rustc-web, cargo-web, rust-web-src and qemu-user, the network, and for each target some ten minutes of one processor, so
//! it is on demand: `MAINSD_TARGETS=1`. `MAINSD_CROSS` names a folder with finished builds (`target/cross`), which is used as it is; default:
//! built anew.

pub mod checks;
pub mod table;

use crate::support::runner::Needs;

/// The tests of a target.
macro_rules! target {
    ($name:ident $target:ident $needs:expr) => {
        pub mod $name {
            use super::checks;
            use super::table::$target as TARGET;
            use crate::support::runner::{Group, tests};

            pub const TESTS: Group = Group {
                needs: $needs,
                prepare: Some(|names| checks::prepare(&TARGET, names)),
                tests: tests![
                    every_size_offset_and_number_is_as_c_has_it,
                    the_library_passes_its_tests,
                    recordings_devices_and_power_pass_their_tests,
                    a_master_its_slave_and_a_client_go_through_an_outage,
                ],
                ..Group::new(module_path!())
            };

            pub const BUILDS: Group = Group {
                needs: super::ON_DEMAND,
                prepare: Some(|names| checks::prepare(&TARGET, names)),
                tests: tests![each_build_is_one_small_static_file],
                ..Group::new(module_path!())
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

const ON_DEMAND: Needs =
    Needs::Asked("MAINSD_TARGETS", "what the other targets need, and minutes of time for each");

target!(mips MIPS super::ON_DEMAND);
target!(armv7 ARMV7 super::ON_DEMAND);
target!(mipsel MIPSEL super::ON_DEMAND);
target!(arm ARM super::ON_DEMAND);
target!(aarch64 AARCH64 super::ON_DEMAND);
target!(i686 I686 super::ON_DEMAND);
target!(x86_64 X86_64 super::ON_DEMAND);
