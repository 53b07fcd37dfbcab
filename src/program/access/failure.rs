//! Why there is no answer, in the words of `apcaccess` and in those of `mainsd status`.

/// Where it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There is no connection.
    Contact(Cause),
    /// There is no answer, or not all of it.
    Read(Cause),
}

/// What failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The name has no address.
    NoHost,
    /// No port from 1 to 65535.
    BadPort,
    /// Nothing listens there.
    Refused,
    /// A time limit is over.
    TimedOut,
    /// The server closed before the first byte of an answer.
    Silent,
    /// The server closed in the middle of an answer.
    BrokenOff,
    /// The answer has no end.
    Endless,
    /// What came is not the protocol.
    NotTheProtocol,
    /// The server itself says why.
    Server(String),
    /// What the system says.
    System(String),
}

impl Cause {
    /// As 3.14.14 has it, where it has words for it: mostly those of strerror(3).
    fn words(&self) -> &str {
        match self {
            Self::NoHost => "No such device or address",
            Self::BadPort | Self::NotTheProtocol => "Invalid argument",
            Self::Refused => "Connection refused",
            Self::TimedOut => "Connection timed out",
            Self::Silent => "there is no answer",
            Self::BrokenOff => "the answer ends in the middle",
            Self::Endless => "the answer does not end",
            Self::Server(words) | Self::System(words) => words,
        }
    }
}

impl Failure {
    /// The line of `apcaccess`. `what` was asked for; `at` is host and port.
    #[must_use]
    pub fn as_apcaccess(&self, what: &str, at: &str) -> String {
        match self {
            Self::Contact(cause) => format!("Error contacting apcupsd @ {at}: {}", cause.words()),
            Self::Read(cause) => format!("Error reading {what} from apcupsd @ {at}: {}", cause.words()),
        }
    }

    /// The line of `mainsd status`, without the program's name: what is wrong, and what to look at. `host` as the user
    /// said it, `at` with the port.
    #[must_use]
    pub fn in_words(&self, host: &str, at: &str) -> String {
        let (Self::Contact(cause) | Self::Read(cause)) = self;
        let here = matches!(host, "localhost" | "127.0.0.1" | "::1");
        match (self, cause) {
            (_, Cause::NoHost) => format!("no such host: {host}; is the name spelt right, and known here?"),
            (_, Cause::BadPort) => format!("no such port: {at}; a port is a number from 1 to 65535"),
            (_, Cause::Refused) if here => {
                format!(
                    "nothing listens at {at}: no daemon runs on this machine, or with NETSERVER off or another NISPORT"
                )
            }
            (_, Cause::Refused) => {
                format!(
                    "nothing listens at {at}: no daemon runs there, or NISIP lets only its own machine ask"
                )
            }
            (Self::Contact(_), Cause::TimedOut) => {
                format!("no connection to {at}: the host is off, or a firewall is between")
            }
            (Self::Read(_), Cause::TimedOut) => {
                format!("{at} takes the connection and gives no whole answer; given up")
            }
            (_, Cause::Silent) => {
                format!(
                    "{at} closes the connection without an answer: does NISALLOW there leave this machine out?"
                )
            }
            (_, Cause::BrokenOff | Cause::Endless) => format!("{at}: {}", cause.words()),
            (_, Cause::NotTheProtocol) => {
                format!("{at} does not speak the protocol: does another program listen there?")
            }
            (Self::Contact(_), Cause::System(words)) => format!("no connection to {at}: {words}"),
            (_, Cause::Server(words) | Cause::System(words)) => format!("{at}: {words}"),
        }
    }
}
