//! What the standard library asks of an unwinder, for a program that has none: a panic aborts, and there are no unwind tables
//! (`packaging/no-unwind-tables.ld`), so nothing ever unwinds and a backtrace finds no frame.
//!
//! The standard library brings what reads debug data and names each frame of a backtrace. That there are no frames is said here in code
//! that the compiler sees, so it leaves all that out: 190 KB of a binary that has no debug data. Nor is `libgcc_s.so.1` loaded then.
//! build.rs tries first whether a program with this file links. The message of a panic and its place in the source stay.
//!
//! The names and their contract are those of the "Itanium C++ ABI: Exception Handling", level 1, and of GCC.
#![allow(unsafe_code, non_snake_case)]

use std::ffi::{c_int, c_void};

/// `_URC_END_OF_STACK`.
const END_OF_STACK: c_int = 5;

/// Calls the function for each frame: there is none.
// SAFETY: this is what the function of this name does when it knows of no frame; it touches nothing.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Backtrace(_function: *const c_void, _argument: *mut c_void) -> c_int {
    END_OF_STACK
}

/// What is called while a panic unwinds only, so never.
macro_rules! never_called {
    ($($name:ident)*) => { $(
        // SAFETY: whoever calls it gets no answer that could be wrong.
        #[unsafe(no_mangle)]
        extern "C" fn $name() -> ! {
            std::process::abort()
        }
    )* };
}

// All that the standard library names, so that a static unwinder, which has `_Unwind_Backtrace` too, stays out.
never_called! { _Unwind_FindEnclosingFunction _Unwind_GetCFA _Unwind_Resume }
// 32-bit ARM has its own instead (EHABI); the last three are named by each table of C code, which is left out.
#[cfg(target_arch = "arm")]
never_called! {
    _Unwind_GetLanguageSpecificData _Unwind_GetRegionStart _Unwind_VRS_Get _Unwind_VRS_Set __gnu_unwind_frame
    __aeabi_unwind_cpp_pr0 __aeabi_unwind_cpp_pr1 __aeabi_unwind_cpp_pr2
}
#[cfg(not(target_arch = "arm"))]
never_called! {
    _Unwind_GetDataRelBase _Unwind_GetIP _Unwind_GetIPInfo _Unwind_GetLanguageSpecificData _Unwind_GetRegionStart
    _Unwind_GetTextRelBase _Unwind_SetGR _Unwind_SetIP
}
