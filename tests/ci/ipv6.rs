//! Clients, server and slave by IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};

use crate::support::access::{self as client, access, code};
use crate::support::pair::slave_of;
use crate::support::runner::{Group, Needs, tests};
use crate::support::served::{Plan, Running};
use crate::support::{Daemon, Nis, Setup, TIMEOUT, free_port, play};

pub const TESTS: Group = Group {
    needs: Needs::Machine("IPv6 on the loopback interface", has_ipv6),
    tests: tests![
        ipv6_addresses_are_asked_with_and_without_brackets,
        both_families_are_served_on_one_port,
        a_master_is_reached_over_ipv6,
    ],
    ..Group::new(module_path!())
};

fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

fn ipv6_addresses_are_asked_with_and_without_brackets() {
    let fixture = client::fixture(&[Ipv6Addr::LOCALHOST.into()]);
    let port = fixture.server.address().port();
    let bracketed = format!("[::1]:{port}");
    let ran = access(&["-p", "STATUS", "-h", &bracketed]);
    assert_eq!((code(&ran), ran.stdout.as_str(), ran.stderr.as_str()), (0, "ONLINE \n", ""));
    let conf = fixture.scratch.file("conf", format!("## apcupsd.conf v1.1 ##\nNISIP ::1\nNISPORT {port}\n"));
    for args in [vec![], vec!["-h", "::1"], vec!["-h", "[::1]"], vec!["-h", "localhost"]] {
        let mut line = vec!["-f", conf.to_str().unwrap(), "-p", "STATUS"];
        line.extend(&args);
        // `localhost` needs the resolver to know the IPv6 loopback.
        let knows =
            std::net::ToSocketAddrs::to_socket_addrs(&("localhost", port)).unwrap().any(|a| a.is_ipv6());
        if args == ["-h", "localhost"] && !knows {
            continue;
        }
        let ran = access(&line);
        assert_eq!((code(&ran), ran.stdout.as_str(), ran.stderr.as_str()), (0, "ONLINE \n", ""), "{line:?}");
    }
    let closed = free_port();
    let ran = access(&["-h", &format!("[::1]:{closed}")]);
    let words = format!("Error contacting apcupsd @ [::1]:{closed}: Connection refused\n");
    assert_eq!((code(&ran), ran.stderr), (1, words));
}

fn both_families_are_served_on_one_port() {
    let pairs: [[IpAddr; 2]; 2] = [
        [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
    ];
    for addresses in pairs {
        let port = free_port();
        let server = Running::recorded(Plan { addresses: addresses.to_vec(), port, ..Plan::default() });
        for ip in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            let mut client = Nis::connect((ip, port), TIMEOUT).unwrap();
            assert_eq!(client.status().unwrap().get("STATUS"), Some("ONLINE"), "{ip}");
        }
        drop(server);
    }
}

fn a_master_is_reached_over_ipv6() {
    let master = play("", Setup::new("test").with("UPSNAME", "rack1").with("NISIP", "127.0.0.1 ::1"));
    let daemon = Daemon::start(&slave_of(&format!("[::1]:{}", master.port())));
    let status = daemon.wait_for_status(|status| status.is("STATUS", "ONLINE SLAVE"), TIMEOUT);
    assert!(status.is("MASTER", &format!("[::1]:{}", master.port())), "{}", status.text());
    daemon.terminate();
    // Without brackets, and the port that of this machine: nobody is there.
    let daemon = Daemon::start(&slave_of("::1"));
    daemon.wait_for_hook("commfailure", TIMEOUT);
    let reason = format!("No answer from the UPS: [::1]:{}: Connection refused", daemon.port());
    daemon.wait_for_logged(&reason);
}
