//! Carries orders out: hooks, flags, the system shutdown and its fall-backs.
//!
//! Spoken to by messages: plain values in, plain values out, never a reference to daemon state.
