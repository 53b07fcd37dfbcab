/* Included first into libusb by `packaging/cross TARGET router`: its debug messages, which mainsd never asks for, are left out. */
#undef ENABLE_LOGGING
