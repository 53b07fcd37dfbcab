/* Included first into libusb by `packaging/cross`: its search for devices, and its thread that hears of new ones, are left out. mainsd
   looks for devices itself (LIBUSB_OPTION_NO_DEVICE_DISCOVERY), so nobody calls what stands in for them. libusb is told that libudev is
   there, for then it has neither of its own. */
#define HAVE_LIBUDEV 1

struct libusb_context;

static inline int linux_udev_start_event_monitor(void)
{
	return -1;
}

static inline int linux_udev_stop_event_monitor(void)
{
	return 0;
}

static inline int linux_udev_scan_devices(struct libusb_context *context)
{
	(void)context;
	return -1;
}

static inline void linux_udev_hotplug_poll(void)
{
}
