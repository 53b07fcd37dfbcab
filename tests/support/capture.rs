//! What apcupsd 3.14.14 was recorded to do: `tests/captures/events-*.txt`.

use std::path::Path;

/// One recorded scenario, without the lines about starting and ending.
#[derive(Debug)]
pub struct Capture {
    /// The texts of the log lines, in order.
    pub log: Vec<String>,
    /// Seconds of each from the first change of the UPS.
    pub seconds: Vec<f64>,
    /// What clients were told, and when: key and value.
    pub nis: Vec<(f64, Vec<(String, String)>)>,
    /// The first argument of each hook. They ran at the same time, so their order means nothing.
    pub hooks: Vec<String>,
    /// The `powerfail` flag was there at the end.
    pub powerfail: bool,
}

/// Lines about the program, not about the power.
const ASIDE: [&str; 3] = ["startup succeeded", "exiting, signal", "shutdown succeeded"];

impl Capture {
    /// Reads `events-<name>.txt`.
    pub fn read(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
        let text = std::fs::read_to_string(folder.join(format!("events-{name}.txt"))).unwrap();
        let mut capture = Self {
            log: Vec::new(),
            seconds: Vec::new(),
            nis: Vec::new(),
            hooks: Vec::new(),
            powerfail: false,
        };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            let (time, source) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let rest: Vec<&str> = words.collect();
            match source {
                "SYSLOG" => {
                    let text = rest[1..].join(" ");
                    if !ASIDE.iter().any(|aside| text.contains(aside)) {
                        capture.log.push(text);
                        capture.seconds.push(time.parse().unwrap());
                    }
                }
                "NIS" => {
                    let pairs = rest.join(" ");
                    let pairs = pairs.split(';').filter_map(|pair| pair.split_once(':'));
                    let pairs = pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()));
                    capture.nis.push((time.parse().unwrap(), pairs.collect()));
                }
                "APCCONTROL" if rest[0] == "argc=4" => capture.hooks.push(rest[2].to_owned()),
                "FILES" if rest.starts_with(&["after", "exit"]) => {
                    capture.powerfail = rest.contains(&"powerfail");
                }
                _ => {}
            }
        }
        capture
    }
}
