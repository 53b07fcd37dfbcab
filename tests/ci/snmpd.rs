//! SNMP with the programs of net-snmp: `snmpd` as the card of a UPS, at accounts of v3; `snmptrap` and `snmpinform` as what a card sends
//! by itself.

use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use super::beside::{Apcupsd, fetch, settle};
use crate::support::cable::{Cable, MASTER, within};
use crate::support::runner::{Group, Needs, tests};
use crate::support::snmp::Unit;
use crate::support::{Daemon, Scratch, Setup, Status, TIMEOUT, free_port, poll_until};

pub const TESTS: Group = Group {
    needs: Needs::Ci("snmpd and apcupsd of Debian"),
    prepare: Some(fetch),
    tests: tests![
        keys_and_values_by_an_account_equal_those_of_apcupsd_by_version_1,
        every_level_and_way_of_signing_and_encrypting_is_understood,
        an_outage_by_an_account_ends_in_a_shutdown_and_the_power_is_killed,
        an_agent_that_restarts_or_is_another_one_is_guarded_by_on,
        what_is_wrong_with_an_account_is_said,
    ],
    ..Group::new(module_path!())
};

pub const HINTS: Group = Group {
    needs: Needs::Ci("root, network namespaces (iproute2), snmpd and snmp of Debian"),
    tests: tests![notifications_of_others_programs_have_the_card_looked_at_at_once],
    module: concat!(module_path!(), "::hints"),
    ..Group::new(module_path!())
};

const AGENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ci/snmp_agent.py");
/// Its engine, where that must be known.
const ENGINE: &str = "0x80001f880a0b0c0d0e0f";

/// A card whose agent is snmpd. Dropped, it is ended.
struct Snmpd {
    child: Child,
    unit: Unit,
    address: String,
    accounts: &'static str,
    scratch: Scratch,
}

impl Snmpd {
    /// On this address and port, with these lines about accounts.
    fn start(address: &str, accounts: &'static str) -> Self {
        let scratch = Scratch::new();
        let unit = Unit::rfc1628();
        write(&scratch, &unit);
        let child = spawn(&scratch, address, accounts, "persistent");
        Self { child, unit, address: address.to_owned(), accounts, scratch }
    }

    fn local(accounts: &'static str) -> Self {
        Self::start(&format!("127.0.0.1:{}", free_port()), accounts)
    }

    /// The UPS changes.
    fn change(&mut self, change: impl FnOnce(&mut Unit)) {
        change(&mut self.unit);
        write(&self.scratch, &self.unit);
    }

    /// Ended and started again; `memory`: the folder of what it knows of its engine.
    fn restart(&mut self, memory: &str) {
        self.end();
        self.child = spawn(&self.scratch, &self.address, self.accounts, memory);
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Name, without the beginning that all have, and value.
    fn written(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.scratch.path().join("written")).unwrap_or_default();
        text.lines().map(|line| line.replace("1.3.6.1.2.1.33.1.", "")).collect()
    }

    /// How often it was asked for something.
    fn asked(&self) -> usize {
        std::fs::metadata(self.scratch.path().join("asked")).map_or(0, |data| data.len() as usize)
    }

    /// A daemon's configuration for this card, with lines of its own.
    fn setup(&self, account: &[(&str, &str)], secrets: &str) -> Setup {
        let path = self.scratch.file("secrets", secrets);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let device = format!("{}:RFC_NOTRAP", self.address);
        let setup = Setup::new("snmp")
            .with("UPSCABLE", "ether")
            .with("DEVICE", &device)
            .with("POLLTIME", "1")
            .with("SNMPVERSION", "3")
            .with("SNMPSECRETS", &path.display().to_string());
        account.iter().fold(setup, |setup, (keyword, value)| setup.with(keyword, value))
    }
}

impl Drop for Snmpd {
    fn drop(&mut self) {
        self.end();
    }
}

/// The UPS as `snmp_agent.py` reads it.
fn write(scratch: &Scratch, unit: &Unit) {
    let mut text = String::new();
    for (name, (tag, value)) in &unit.objects {
        let signed = value
            .iter()
            .skip(1)
            .fold(value.first().map_or(0, |first| i64::from(*first as i8)), |sum, byte| {
                sum << 8 | i64::from(*byte)
            });
        let (kind, value) = match tag {
            2 => ("integer", signed.to_string()),
            4 => ("string", String::from_utf8_lossy(value).into_owned()),
            6 => ("objectid", oid(value)),
            0x42 => ("gauge", signed.to_string()),
            0x43 => ("timeticks", signed.to_string()),
            other => panic!("{other}"),
        };
        let name: Vec<String> = name.iter().map(u32::to_string).collect();
        text.push_str(&format!("{} {kind} {value}\n", name.join(".")));
    }
    let new = scratch.file("objects.new", text);
    std::fs::rename(new, scratch.path().join("objects")).unwrap();
}

fn oid(content: &[u8]) -> String {
    let mut text = format!(".{}.{}", content[0] / 40, content[0] % 40);
    let mut number = 0_u32;
    for byte in &content[1..] {
        number = number << 7 | u32::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            text.push_str(&format!(".{number}"));
            number = 0;
        }
    }
    text
}

/// A folder of this name, which may be there.
fn folder(scratch: &Scratch, name: &str) -> std::path::PathBuf {
    let path = scratch.path().join(name);
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn spawn(scratch: &Scratch, address: &str, accounts: &str, memory: &str) -> Child {
    let dir = scratch.path().display();
    let config = scratch.file(
        &format!("snmpd-{memory}.conf"),
        format!(
            "agentAddress udp:{address}\nrwcommunity private\n{accounts}\n\
             pass_persist .1.3.6.1.2.1.33.1 /usr/bin/python3 {AGENT} {dir}/objects {dir}/asked {dir}/written\n"
        ),
    );
    let log = scratch.file(&format!("snmpd-{memory}.log"), "");
    Command::new("/usr/sbin/snmpd")
        .args(["-f", "-Lf"])
        .arg(log)
        .args(["-I", "-smux", "-C", "-c"])
        .arg(config)
        .env("SNMP_PERSISTENT_DIR", folder(scratch, memory))
        .env("MIBS", "")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("snmpd of Debian")
}

const ACCOUNT: &str = "createUser ups SHA-256 s3cr3t-one AES s3cr3t-two\nrwuser ups priv";
const SECRETS: &str = "auth s3cr3t-one\npriv s3cr3t-two\n";
const LOGIN: [(&str, &str); 2] = [("SNMPUSER", "ups"), ("SNMPAUTH", "SHA256")];

fn is_online(status: &Status) -> bool {
    status.is("STATUS", "ONLINE") && status.get("MODEL").is_some()
}

/// What differs on purpose: `alike` of `snmp.rs`.
fn keys_and_values_by_an_account_equal_those_of_apcupsd_by_version_1() {
    const DIFFERENT: [&str; 3] = ["UPSNAME", "OUTCURNT", "NOMAPNT"];
    let mut card = Snmpd::local(ACCOUNT);
    let device = format!("{}:RFC_NOTRAP:private", card.address);
    let theirs = Apcupsd::start_until(&format!("UPSCABLE ether\nUPSTYPE snmp\nDEVICE {device}\n"), is_online);
    let ours = Daemon::start(&card.setup(&LOGIN, SECRETS));
    settle(&theirs, &ours, &DIFFERENT, "on line", is_online);
    card.change(|unit| {
        unit.mains(false);
        unit.battery(77, 1_260, false);
    });
    settle(&theirs, &ours, &DIFFERENT, "on battery", |status| {
        status.is("STATUS", "ONBATT") && status.is("BCHARGE", "77.0 Percent")
    });
    card.change(|unit| unit.mains(true));
    settle(&theirs, &ours, &DIFFERENT, "on line again", is_online);
}

fn every_level_and_way_of_signing_and_encrypting_is_understood() {
    const ACCOUNTS: &str = "createUser n\nrwuser n noauth\n\
        createUser m MD5 s3cr3t-one DES s3cr3t-two\nrwuser m auth\n\
        createUser s SHA s3cr3t-one AES s3cr3t-two\nrwuser s auth\n\
        createUser s224 SHA-224 s3cr3t-one AES s3cr3t-two\nrwuser s224 auth\n\
        createUser s384 SHA-384 s3cr3t-one AES s3cr3t-two\nrwuser s384 auth\n\
        createUser s512 SHA-512 s3cr3t-one AES s3cr3t-two\nrwuser s512 auth";
    let card = Snmpd::local(ACCOUNTS);
    for (user, level, auth, privacy) in [
        ("n", "noAuthNoPriv", "MD5", "DES"),
        ("m", "authPriv", "MD5", "DES"),
        ("s", "authNoPriv", "SHA", "AES"),
        ("s", "authPriv", "SHA", "AES"),
        ("s224", "authPriv", "SHA224", "AES"),
        ("s384", "authPriv", "SHA384", "AES"),
        ("s512", "authNoPriv", "SHA512", "AES"),
    ] {
        let account = [("SNMPUSER", user), ("SNMPLEVEL", level), ("SNMPAUTH", auth), ("SNMPPRIV", privacy)];
        let daemon = Daemon::start(&card.setup(&account, SECRETS));
        daemon.wait_for_status(is_online, TIMEOUT);
    }
}

fn an_outage_by_an_account_ends_in_a_shutdown_and_the_power_is_killed() {
    let mut card = Snmpd::local(ACCOUNT);
    let setup = card.setup(&LOGIN, SECRETS).with("ONBATTERYDELAY", "1").with("BATTERYLEVEL", "20");
    let daemon = Daemon::start(&setup.with("KILLDELAY", "1"));
    daemon.wait_for_status(is_online, TIMEOUT);
    card.change(|unit| unit.mains(false));
    daemon.wait_for_hook("onbattery", TIMEOUT);
    card.change(|unit| unit.battery(15, 300, false));
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    let killed = poll_until(TIMEOUT, || (card.written().len() >= 3).then(|| card.written()));
    let killed = killed.unwrap_or_else(|| panic!("{}", daemon.describe()));
    assert_eq!(killed[..3], ["8.1.0 1", "8.5.0 1", "8.2.0 60"]);
    daemon.wait_for_log("what came of it", |log| {
        log.iter().any(|line| line.contains("the UPS switches off in 60 s")).then_some(())
    });
    assert!(!daemon.log().concat().contains("s3cr3t"));
}

fn an_agent_that_restarts_or_is_another_one_is_guarded_by_on() {
    let mut card = Snmpd::local(ACCOUNT);
    let daemon = Daemon::start(&card.setup(&LOGIN, SECRETS));
    daemon.wait_for_status(is_online, TIMEOUT);
    for (memory, charge) in [("persistent", "81.0 Percent"), ("other", "82.0 Percent")] {
        card.change(|unit| {
            let charge = charge[..2].parse().unwrap();
            unit.battery(charge, 3600, false);
        });
        card.restart(memory);
        daemon.wait_for_status(|status| is_online(status) && status.is("BCHARGE", charge), TIMEOUT);
    }
}

fn what_is_wrong_with_an_account_is_said() {
    let card = Snmpd::local(ACCOUNT);
    let other = [("SNMPUSER", "nobody"), ("SNMPAUTH", "SHA256")];
    let sha1 = [("SNMPUSER", "ups")];
    let des = [("SNMPUSER", "ups"), ("SNMPAUTH", "SHA256"), ("SNMPPRIV", "DES")];
    for (account, secrets, said) in [
        (&other[..], SECRETS, "the card does not know the account that SNMPUSER names"),
        (
            &LOGIN,
            "auth s3cr3t-xxx\npriv s3cr3t-two",
            "the card refuses the signature: is SNMPAUTH as in the card",
        ),
        (&sha1, SECRETS, "the card refuses the signature: is SNMPAUTH as in the card"),
        (&LOGIN, "auth s3cr3t-one\npriv s3cr3t-xxx", "is SNMPPRIV as in the card"),
        (&des, SECRETS, "is SNMPPRIV as in the card"),
    ] {
        let daemon = Daemon::start(&card.setup(account, secrets));
        daemon.wait_for_log(said, |log| log.iter().any(|line| line.contains(said)).then_some(()));
        assert!(!daemon.log().concat().contains("s3cr3t"));
    }
}

fn notifications_of_others_programs_have_the_card_looked_at_at_once() {
    let cable = Cable::new();
    let accounts: &'static str = Box::leak(format!("exactEngineID {ENGINE}\n{ACCOUNT}").into_boxed_str());
    let card = within(&cable.master, || Snmpd::start(&format!("{MASTER}:161"), accounts));
    let setup =
        card.setup(&LOGIN, SECRETS).replaced("DEVICE", &format!("{MASTER}::RFC")).replaced("POLLTIME", "60");
    let daemon = Daemon::start_in(&setup.within(&cable.slaves), Scratch::new(), 3551);
    within(&cable.slaves, || daemon.wait_for_status(is_online, TIMEOUT));
    const TO: &str = "10.99.0.2:162";
    const TRAP: [&str; 2] = ["", "1.3.6.1.2.1.33.2.3"];
    let account =
        ["-u", "ups", "-l", "authPriv", "-a", "SHA-256", "-A", "s3cr3t-one", "-x", "AES", "-X", "s3cr3t-two"];
    let of_engine = ["-v", "3", "-e", ENGINE, "-Z", "1,20"];
    let community = ["-v", "2c", "-c", "public"];
    for (program, options, has_answer) in [
        ("snmptrap", community.to_vec(), true),
        ("snmpinform", community.to_vec(), true),
        ("snmptrap", [&of_engine[..], &account].concat(), true),
        ("snmpinform", [&["-v", "3", "-r", "0", "-t", "1"][..], &account].concat(), false),
    ] {
        let send = || {
            let memory = folder(&card.scratch, "sender");
            let mut command = Command::new(program);
            command.args(["-r", "3", "-t", "1"]).args(&options).arg(TO).args(TRAP);
            command.env("SNMP_PERSISTENT_DIR", memory).env("MIBS", "").output().expect("snmp of Debian")
        };
        if !has_answer {
            let sent = within(&cable.master, send);
            assert!(!sent.status.success(), "{sent:?}");
            let told = |log: &[String]| {
                log.iter().any(|line| line.contains("sends informs by SNMP v3")).then_some(())
            };
            daemon.wait_for_log("that informs are not answered", told);
            continue;
        }
        // The status is asked for every 5 s: of some tries most are between two of them. One hint in 3 s is always taken.
        let quick = (0..4).filter(|_| {
            std::thread::sleep(std::time::Duration::from_secs(3));
            let before = poll_until(TIMEOUT, || {
                let before = card.asked();
                std::thread::sleep(std::time::Duration::from_millis(300));
                (card.asked() == before).then_some(before)
            });
            let sent = within(&cable.master, send);
            assert!(sent.status.success(), "{program}: {sent:?}");
            std::thread::sleep(std::time::Duration::from_millis(500));
            card.asked() > before.unwrap()
        });
        assert!(quick.count() >= 3, "{program} {options:?}: {}", daemon.describe());
    }
}
