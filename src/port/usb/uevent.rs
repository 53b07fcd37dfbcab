//! What a hot-plug message of the kernel means to the port.

/// Whether a message says that a USB device has come, or is ready now: worth a look.
///
/// The message is `ACTION@DEVPATH`, then `KEY=VALUE` strings, all ended by zero bytes. An interface that a program
/// claims through usbfs is announced as bound too; that is no news.
#[must_use]
pub fn announces_device(message: &[u8]) -> bool {
    let (mut action, mut subsystem, mut driver) = (None, None, None);
    for pair in message.split(|&b| b == 0).skip(1) {
        let Some(at) = pair.iter().position(|&b| b == b'=') else { continue };
        match pair.split_at_checked(at + 1) {
            Some((b"ACTION=", value)) => action = Some(value),
            Some((b"SUBSYSTEM=", value)) => subsystem = Some(value),
            Some((b"DRIVER=", value)) => driver = Some(value),
            _ => {}
        }
    }
    let news = matches!(action, Some(b"add" | b"bind" | b"change"));
    news && subsystem == Some(b"usb") && driver != Some(b"usbfs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(lines: &[&str]) -> Vec<u8> {
        lines.iter().flat_map(|l| l.bytes().chain([0])).collect()
    }

    #[test]
    fn an_added_device_and_a_bound_interface_are_news() {
        let path = "/devices/platform/vhci_hcd.0/usb1/1-1";
        let added =
            [&format!("add@{path}"), "ACTION=add", "SUBSYSTEM=usb", "DEVTYPE=usb_device", "SEQNUM=1431"];
        assert!(announces_device(&message(&added)));
        let bound = [&format!("bind@{path}/1-1:1.0"), "ACTION=bind", "SUBSYSTEM=usb", "DRIVER=usbhid"];
        assert!(announces_device(&message(&bound)));
    }

    #[test]
    fn a_removal_another_subsystem_and_a_claim_are_not() {
        for lines in [
            ["remove@/x", "ACTION=remove", "SUBSYSTEM=usb", "DEVTYPE=usb_device"],
            ["add@/x", "ACTION=add", "SUBSYSTEM=block", "DEVTYPE=disk"],
            ["bind@/x", "ACTION=bind", "SUBSYSTEM=usb", "DRIVER=usbfs"],
            ["libudev", "ACTION=add", "SUBSYSTEM", "=usb"],
        ] {
            assert!(!announces_device(&message(&lines)), "{lines:?}");
        }
        assert!(!announces_device(&[]));
    }

    proptest::proptest! {
        #[test]
        fn only_a_message_of_the_usb_subsystem_is_news(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            assert!(!announces_device(&bytes));
        }
    }
}
