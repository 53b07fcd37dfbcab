//! What `packaging/cross` puts in the place of the C library's functions for libusb does what these do.

use std::process::Command;

use crate::support::Scratch;

/// The formats that libusb uses, with numbers and rooms of all sizes. The headers come first, as in libusb.
const PROGRAM: &str = r##"
#undef snprintf
#undef sscanf

static void same(size_t size, const char *format, const char *text, unsigned int a, unsigned int b)
{
	char real[64], ours[64];

	memset(real, 1, sizeof(real));
	memset(ours, 1, sizeof(ours));
	if (snprintf(real, size, format, text, a, b) != libusb_snprintf(ours, size, format, text, a, b)
		|| memcmp(real, ours, sizeof(real)))
		exit(1);
}

int main(void)
{
	char *text;
	unsigned char bus = 0, device = 0;
	int major = 0, minor = 0, sublevel = 0;

	for (size_t size = 0; size < 64; size++)
		for (unsigned int number = 0; number < 1200; number += 7) {
			same(size, "%s/%03u/%03u", "/dev/bus/usb", number, number / 3);
			same(size, "%s/usbdev%u.%d", "/dev", ~number, number);
		}
	if (libusb_asprintf(&text, "usb%s", "12") != 5 || strcmp(text, "usb12"))
		return 2;
	if (libusb_sscanf("6.12.0-40-amd64", "%d.%d.%d", &major, &minor, &sublevel) != 3)
		return 3;
	if (major != 6 || minor != 12 || sublevel != 0)
		return 4;
	if (libusb_sscanf("/dev/bus/usb/001/x", "/dev/bus/usb/%hhu/%hhu", &bus, &device) != 1 || bus != 1 || device)
		return 5;
	return 0;
}
"##;

#[test]
fn numbers_and_text_are_written_and_read_as_by_the_c_library() {
    let scratch = Scratch::new();
    let (source, program) = (scratch.file("program.c", PROGRAM), scratch.path().join("program"));
    let mut compiler = Command::new("cc");
    for header in ["libusb-sscanf", "libusb-no-search", "quiet-libusb"] {
        compiler.arg("-include").arg(format!("{}/packaging/{header}.h", env!("CARGO_MANIFEST_DIR")));
    }
    let compiled = compiler.arg("-o").arg(&program).arg(&source).output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    assert_eq!(Command::new(&program).status().unwrap().code(), Some(0));
}
