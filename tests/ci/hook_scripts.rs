//! The shipped hooks under every shell that people have as `/bin/sh`.

use crate::support::hook_scripts::each_hook_case;

macro_rules! in_shell {
    ($name:ident $words:tt $($case:ident)*) => {
        pub mod $name {
            use std::path::Path;

            use crate::support::hook_scripts;
            use crate::support::runner::{Group, Needs, tests};

            const SHELL: hook_scripts::Shell = &$words;

            pub const TESTS: Group = Group {
                needs: Needs::Machine(SHELL[0], || Path::new(SHELL[0]).exists()),
                tests: tests![$($case),*],
                ..Group::new(module_path!())
            };

            $(
                fn $case() {
                    hook_scripts::$case(SHELL);
                }
            )*
        }
    };
}

each_hook_case!(in_shell dash ["/bin/dash"]);
each_hook_case!(in_shell bash ["/bin/bash"]);
each_hook_case!(in_shell busybox ["/bin/busybox", "sh"]);
