//! The scripts for OpenWrt under this machine's `/bin/sh`; under others where there are some, in `tests/ci`.

use crate::support::hook_scripts::Shell;
use crate::support::openwrt::{self, each_openwrt_case};

const SHELL: Shell = &["/bin/sh"];

macro_rules! cases {
    ($($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                openwrt::$case(SHELL);
            }
        )*
    };
}

each_openwrt_case!(cases);
