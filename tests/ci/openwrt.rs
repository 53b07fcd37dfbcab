//! The scripts for OpenWrt under the shells that a router and its build have; a package that is built from `packaging/openwrt`; and
//! that package in the virtual machine, with a busybox for everything that OpenWrt has from one.

use crate::support::openwrt::each_openwrt_case;

macro_rules! in_shell {
    ($name:ident $words:tt $($case:ident)*) => {
        pub mod $name {
            use std::path::Path;

            use crate::support::hook_scripts::Shell;
            use crate::support::openwrt;
            use crate::support::runner::{Group, Needs, tests};

            const SHELL: Shell = &$words;

            pub const TESTS: Group = Group {
                needs: Needs::Machine(SHELL[0], || Path::new(SHELL[0]).exists()),
                tests: tests![$($case),*],
                ..Group::new(module_path!())
            };

            $(
                fn $case() {
                    openwrt::$case(SHELL);
                }
            )*
        }
    };
}

each_openwrt_case!(in_shell dash ["/bin/dash"]);
each_openwrt_case!(in_shell busybox ["/bin/busybox", "sh"]);
