//! A network card that sends to PowerChute Network Shutdown, with its web page, at an address of the loopback network (pcnet §2, §5).

mod web;

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mainsd::wire::pcnet::{Secret, digest};

pub use web::Web;

/// What cards of the tests sign with.
pub const USER: &str = "apc";
pub const PHRASE: &str = "admin user phrase";

/// Between two packets without a change; a real card takes 25 s.
const INTERVAL: Duration = Duration::from_secs(1);
const NAP: Duration = Duration::from_millis(2);

/// What the card says.
#[derive(Debug)]
pub struct Unit {
    /// `PC`.
    pub address: String,
    pub phrase: String,
    /// `SR` and `SU`.
    pub starts: u32,
    pub uptime: u32,
    /// Keys and values, in the order in which they are sent.
    pub values: Vec<(String, String)>,
    /// It sends no more by itself.
    pub silent: bool,
    pub web: Web,
    changed: bool,
}

impl Unit {
    /// A Smart-UPS on line.
    pub fn new(address: &str) -> Self {
        let values = [
            ("SD", "0"),
            ("51", "08"),
            ("4C", "230.4"),
            ("4D", "231.1"),
            ("4E", "229.0"),
            ("4F", "230.4"),
            ("50", "012.3"),
            ("66", "100.0"),
            ("6A", "0031:"),
            ("42", "27.60"),
            ("46", "50.00"),
            ("43", "029.2"),
            ("47", "O"),
            ("58", "OK"),
            ("37", "00"),
            ("7E", "00"),
            ("27", "00"),
            ("38", "00"),
            ("73", "H"),
            ("72", "000"),
            ("70", "020"),
            ("71", "02"),
            ("6C", "208"),
            ("75", "253"),
            ("65", "00"),
            ("6B", "0"),
            ("45", "336"),
            ("63", "UPS03R  "),
            ("6D", "09/05/03"),
            ("6E", "AS0336123456"),
            ("78", "09/05/03"),
            ("67", "024"),
            ("6F", "230"),
            ("62", "652.13.I"),
            ("3E", "000"),
            ("01", "Smart-UPS 1000"),
            ("05", "x"),
            ("56", "IWI"),
        ];
        Self {
            address: address.to_owned(),
            phrase: PHRASE.to_owned(),
            starts: 9,
            uptime: 0x1b_ed3f,
            values: values.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec(),
            silent: false,
            web: Web::default(),
            changed: false,
        }
    }

    /// Says something else, at once.
    pub fn say(&mut self, key: &str, value: &str) {
        match self.values.iter_mut().find(|(other, _)| other == key) {
            Some((_, said)) => value.clone_into(said),
            None => self.values.push((key.to_owned(), value.to_owned())),
        }
        self.changed = true;
    }

    /// Mains is there, or is not.
    pub fn mains(&mut self, there: bool) {
        self.say("4C", if there { "230.4" } else { "000.0" });
        self.say("47", "L");
        self.say("51", if there { "08" } else { "10" });
    }

    fn signed(&self, head: &str, tail: &str) -> Vec<u8> {
        let secret = Secret::new(USER, &self.phrase);
        let sum = secret.sign(&[head.as_bytes()]);
        format!("{head}MD={}\n{tail}", String::from_utf8_lossy(&sum)).into_bytes()
    }

    fn counters(&self) -> String {
        format!("PC={}\nSR={:02X}\nSU={:06X}\n", self.address, self.starts, self.uptime)
    }

    /// The next packet.
    pub fn packet(&mut self) -> Vec<u8> {
        self.uptime += 1;
        let mut text =
            format!("MASTATUS\n<BODY>\nMV=v1.7.0\n{}DT=07/21/2006\nTM=15:47:27\nRD=3161\n", self.counters());
        for (key, value) in &self.values {
            text.push_str(&format!("{key}={value}\n"));
        }
        self.signed(&text, "</BODY>\n")
    }

    /// The page that takes orders.
    fn page(&mut self) -> Vec<u8> {
        self.uptime += 1;
        self.web.challenge = format!("{:06X}", self.uptime);
        let filler = "x".repeat(self.web.filler);
        let text = format!("<html>\n{}CS={}\n{filler}\n", self.counters(), self.web.challenge);
        self.signed(&text, "</html>\n")
    }

    /// What has to be signed of the order, as it comes in the form.
    fn wanted(&self) -> String {
        let all = format!("macontrol1_control_shutdown_1=1,{}{USER}{}", self.web.challenge, self.phrase);
        let sum = digest(&[all.as_bytes()]);
        format!("macontrol1%5fcontrol%5fshutdown%5f1=1%2C{}", String::from_utf8_lossy(&sum))
    }
}

/// The card. Dropped, it is gone.
#[derive(Debug)]
pub struct PcnetCard {
    unit: Arc<Mutex<Unit>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    socket: UdpSocket,
    to: SocketAddr,
    address: String,
    web_port: u16,
}

impl PcnetCard {
    /// A card at this address of the loopback network, which sends to this port.
    pub fn start(address: &str, port: u16) -> Self {
        Self::with_web(address, port, 0)
    }

    /// The same, with its web server at this port; 0: one that is free.
    pub fn with_web(address: &str, port: u16, web_port: u16) -> Self {
        let listener = TcpListener::bind((address, web_port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let web_port = listener.local_addr().unwrap().port();
        let socket = UdpSocket::bind((address, 0)).unwrap();
        let here = if address.contains(':') { "::1" } else { "127.0.0.1" };
        let to = SocketAddr::new(here.parse().unwrap(), port);
        let unit = Arc::new(Mutex::new(Unit::new(address)));
        let stop = Arc::new(AtomicBool::new(false));
        let (theirs, stopped, sender) = (Arc::clone(&unit), Arc::clone(&stop), socket.try_clone().unwrap());
        let thread = std::thread::spawn(move || serve(&listener, &sender, to, &theirs, &stopped));
        Self { unit, stop, thread: Some(thread), socket, to, address: address.to_owned(), web_port }
    }

    /// What DEVICE says of it.
    pub fn device(&self) -> String {
        let host =
            if self.address.contains(':') { format!("[{}]", self.address) } else { self.address.clone() };
        format!("{host}:{USER}:{PHRASE}:{}:{}", self.to.port(), self.web_port)
    }

    /// What it says, to be changed or looked at.
    pub fn unit(&self) -> MutexGuard<'_, Unit> {
        self.unit.lock().unwrap()
    }

    /// Sends these bytes.
    pub fn send(&self, bytes: &[u8]) {
        let _ = self.socket.send_to(bytes, self.to);
    }

    /// How many orders to switch off have come that were right.
    pub fn orders(&self) -> usize {
        self.unit().web.orders
    }
}

impl Drop for PcnetCard {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(listener: &TcpListener, socket: &UdpSocket, to: SocketAddr, unit: &Mutex<Unit>, stop: &AtomicBool) {
    let mut next = Instant::now();
    let mut clients = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        {
            let mut unit = unit.lock().unwrap();
            let due = std::mem::take(&mut unit.changed) || next <= Instant::now();
            if due && !unit.silent {
                // Nobody may listen yet.
                let _ = socket.send_to(&unit.packet(), to);
                next = Instant::now() + INTERVAL;
            }
        }
        web::serve(listener, &mut clients, unit);
        std::thread::sleep(NAP);
    }
}
