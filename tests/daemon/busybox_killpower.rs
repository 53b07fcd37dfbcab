//! `packaging/busybox/killpower`: what it makes read-only before the UPS is told. The rest of it ends every process, and is for a
//! virtual machine.

use std::process::Command;

use crate::support::Scratch;

#[test]
fn each_file_system_of_this_machine_is_made_read_only_whatever_its_folder_is_called() {
    let script = include_str!("../../packaging/busybox/killpower");
    let start = script.find("while read -r _ folder").unwrap();
    let end = script[start..].find("done </proc/mounts").unwrap() + start;
    let scratch = Scratch::new();
    let mounts = scratch.file(
        "mounts",
        "/dev/a / ext4 rw,relatime 0 0\nproc /proc proc rw 0 0\n/dev/b /media/my\\040disk\\011s ext4 rw 0 0\n\
         nas:/x /nas nfs4 rw 0 0\n/dev/c /boot vfat ro,noatime 0 0\ntmpfs /run tmpfs rw 0 0\n/dev/d /srv/100% ext4 rw 0 0\n",
    );
    let text = format!(
        "mount() {{ printf '%s|' \"$@\"; echo; }}\n{}done <'{}'\n",
        &script[start..end],
        mounts.display()
    );
    let done = Command::new("sh").args(["-c", &text]).output().unwrap();
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
    let expected = "-o|remount,ro|/|\n-o|remount,ro|/media/my disk\ts|\n-o|remount,ro|/srv/100%|\n";
    assert_eq!(String::from_utf8(done.stdout).unwrap(), expected);
}
