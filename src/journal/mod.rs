//! Syslog, events file, status file, persistent counters.
