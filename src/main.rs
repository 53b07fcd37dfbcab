//! Picks a program by the name it was called by or by its first argument.
#![deny(unsafe_code)]

fn main() -> std::process::ExitCode {
    mainsd::program::main(std::env::args_os())
}
