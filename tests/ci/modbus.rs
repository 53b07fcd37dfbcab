//! Modbus with programs that others wrote: the real apcupsd at the same simulated UPS, and pymodbus as a UPS.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::beside::{Apcupsd, fetch, settle};
use crate::support::modbus::{Modbus, Unit};
use crate::support::runner::{Group, Needs, prepared, tests};
use crate::support::{self, Daemon, Scratch, Setup, TIMEOUT, free_port};

pub const TESTS: Group = Group {
    needs: Needs::Ci("Debian's package apcupsd"),
    prepare: Some(fetch),
    tests: tests![keys_and_values_equal_those_of_apcupsd],
    ..Group::new(module_path!())
};

/// What differs on purpose (mainsd-compat(7)): the configured name stays, and the transfer limits are shown.
const DIFFERENT: [&str; 3] = ["UPSNAME", "HITRANS", "LOTRANS"];

fn keys_and_values_equal_those_of_apcupsd() {
    let ports = Scratch::new();
    let port = |name: &str| ports.path().join(name);
    let device = |path: &Path| format!("{}", path.display());
    let their_ups = Modbus::serial(&port("ttyS1"));
    let lines = format!("UPSCABLE smart\nUPSTYPE modbus\nDEVICE {}\n", device(&port("ttyS1")));
    let theirs = Apcupsd::start(&lines);
    let ups = Modbus::serial(&port("ttyS0"));
    let setup = Setup::new("modbus").with("UPSCABLE", "smart").with("DEVICE", &device(&port("ttyS0")));
    let ours = Daemon::start(&setup);
    let online = |status: &support::Status| status.get("MODEL").is_some() && status.is("STATUS", "ONLINE");
    settle(&theirs, &ours, &DIFFERENT, "on line", online);
    for unit in [&their_ups, &ups] {
        unit.unit().mains(false);
        unit.unit().battery(77, 1_234, false);
    }
    settle(&theirs, &ours, &DIFFERENT, "on battery", |status| {
        status.is("STATUS", "ONBATT")
            && status.is("BCHARGE", "77.0 Percent")
            && status.is("STATFLAG", "0x05060010")
    });
    for unit in [&their_ups, &ups] {
        unit.unit().mains(true);
    }
    settle(&theirs, &ours, &DIFFERENT, "on line again", |status| {
        online(status) && status.is("STATFLAG", "0x05000008")
    });
}

pub const PYMODBUS: Group = Group {
    needs: Needs::Ci("python3-venv and PyPI"),
    prepare: Some(install),
    tests: tests![a_card_of_pymodbus_is_watched, a_serial_line_of_pymodbus_is_watched],
    module: concat!(module_path!(), "::pymodbus"),
    ..Group::new(module_path!())
};

/// The version that the script below is for.
const VERSION: &str = "pymodbus[serial]==3.7.4";

/// Installs pymodbus; the Python that has it.
fn install(_: &[&str]) -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pymodbus");
    let python = folder.join("bin/python");
    if !folder.join("done").exists() {
        let run = |command: &mut Command| {
            let done = command.output().unwrap();
            assert!(done.status.success(), "pymodbus: {done:?}");
        };
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        run(Command::new(&python).args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            VERSION,
        ]));
        std::fs::write(folder.join("done"), "").unwrap();
    }
    python.display().to_string()
}

/// Registers from standard input, a line `ADDRESS VALUE` each; the way to serve them is in the arguments.
const SERVER: &str = r#"
import asyncio, sys, threading
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.framer import FramerType
from pymodbus.server import StartAsyncSerialServer, StartAsyncTcpServer

block = ModbusSequentialDataBlock(0, [0xffff] * 2100)
context = ModbusServerContext(slaves={1: ModbusSlaveContext(hr=block, zero_mode=True)}, single=False)

def feed():
    for line in sys.stdin:
        address, value = map(int, line.split())
        block.setValues(address, [value])

async def main():
    threading.Thread(target=feed, daemon=True).start()
    if sys.argv[1] == "tcp":
        await StartAsyncTcpServer(context=context, address=("127.0.0.1", int(sys.argv[2])))
    else:
        await StartAsyncSerialServer(context=context, port=sys.argv[2], baudrate=9600, framer=FramerType.RTU)

asyncio.run(main())
"#;

/// pymodbus with the registers of a unit. Dropped, it is ended.
struct Server {
    child: Child,
    unit: Unit,
}

impl Server {
    fn start(way: &[&str]) -> Self {
        let mut child =
            Command::new(prepared()).arg("-c").arg(SERVER).args(way).stdin(Stdio::piped()).spawn().unwrap();
        let unit = Unit::new();
        feed(&mut child, &unit);
        Self { child, unit }
    }

    fn change(&mut self, change: impl FnOnce(&mut Unit)) {
        change(&mut self.unit);
        feed(&mut self.child, &self.unit);
    }
}

fn feed(child: &mut Child, unit: &Unit) {
    use std::io::Write;
    let lines: String =
        unit.registers.iter().map(|(address, value)| format!("{address} {value}\n")).collect();
    child.stdin.as_mut().unwrap().write_all(lines.as_bytes()).unwrap();
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_watched(server: &mut Server, setup: &Setup) {
    let daemon = Daemon::start(setup);
    let status = daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    assert!(status.is("MODEL", "Smart-UPS 750") && status.is("SERIALNO", "AS1234567890"), "{status:?}");
    server.change(|unit| unit.mains(false));
    daemon.wait_for_hook("powerout", TIMEOUT);
    server.change(|unit| unit.battery(60, 1_000, true));
    daemon.wait_for_hook("doshutdown", TIMEOUT);
}

fn a_card_of_pymodbus_is_watched() {
    let port = free_port().to_string();
    let mut server = Server::start(&["tcp", &port]);
    let device = format!("127.0.0.1:{port}");
    is_watched(&mut server, &Setup::new("modbus").with("UPSCABLE", "ether").with("DEVICE", &device));
}

fn a_serial_line_of_pymodbus_is_watched() {
    let ports = Scratch::new();
    let (ours, theirs) = (ports.path().join("ttyS0"), ports.path().join("ttyS1"));
    let _line = support::modbus::line(&ours, &theirs);
    let mut server = Server::start(&["serial", &theirs.display().to_string()]);
    let device = ours.display().to_string();
    is_watched(&mut server, &Setup::new("modbus").with("UPSCABLE", "smart").with("DEVICE", &device));
}
