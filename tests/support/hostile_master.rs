//! A master that means harm: it answers `watch` and never stops to say something else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mainsd::wire::nis::push_lines;

/// One status answer with these flags, and more records behind.
pub fn answer(flags: u32, more: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let text = format!(
        "APC      : 001,010,0300\nUPSNAME  : evil\nMODEL    : Back-UPS\nUPSMODE  : Stand Alone\nBCHARGE  : 100.0 Percent\n\
         TIMELEFT : 60.0 Minutes\nSTATFLAG : 0x{flags:08X}\n{more}END APC  : 2026-11-21 04:09:56 +0100  \n"
    );
    push_lines(&mut out, &text);
    out
}

pub const ONLINE: u32 = 0x0500_0008;
pub const ONBATT: u32 = 0x0500_0010;
pub const COMMLOST: u32 = 0x0500_0108;
pub const SHUTTING_DOWN: u32 = 0x0500_0208;

/// A master that runs. Dropped, it accepts no more.
#[derive(Debug)]
pub struct HostileMaster {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    rage: Arc<AtomicBool>,
}

impl HostileMaster {
    /// Says the first of `turns` to whoever asks, until it is let loose: from then on all of them in turn, without end, with
    /// this pause between two.
    pub fn start(turns: Vec<Vec<u8>>, pause: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, rage) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (ended, loose) = (Arc::clone(&stop), Arc::clone(&rage));
        std::thread::spawn(move || {
            for slave in listener.incoming().flatten() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let (turns, ended, loose) = (turns.clone(), Arc::clone(&ended), Arc::clone(&loose));
                std::thread::spawn(move || talk(slave, &turns, pause, &ended, &loose));
            }
        });
        Self { address, stop, rage }
    }

    /// Where it listens, as DEVICE.
    pub fn device(&self) -> String {
        self.address.to_string()
    }

    /// From now on it says everything, or, `false`, only the first again.
    pub fn loose(&self, on: bool) {
        self.rage.store(on, Ordering::Relaxed);
    }
}

impl Drop for HostileMaster {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn talk(mut slave: TcpStream, turns: &[Vec<u8>], pause: Duration, stop: &AtomicBool, loose: &AtomicBool) {
    slave.set_nodelay(true).unwrap();
    slave.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    // So long a wait for a slave that takes nothing must end when the test does.
    slave.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut next = 0;
    while !stop.load(Ordering::Relaxed) {
        if loose.load(Ordering::Relaxed) {
            next = (next + 1) % turns.len();
            let mut rest = &turns[next][..];
            while !rest.is_empty() && !stop.load(Ordering::Relaxed) {
                match slave.write(rest) {
                    Ok(0) => return,
                    Ok(n) => rest = &rest[n..],
                    Err(e)
                        if matches!(
                            e.kind(),
                            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                        ) => {}
                    Err(_) => return,
                }
            }
            if !pause.is_zero() {
                std::thread::sleep(pause);
            }
            continue;
        }
        match slave.read(&mut [0; 512]) {
            Ok(0) => return,
            Ok(_) => {
                if slave.write_all(&turns[0]).is_err() {
                    return;
                }
            }
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
    }
}
