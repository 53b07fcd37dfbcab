/* Included first into libusb by `packaging/cross`: its sscanf, which reads three numbers at most ("%d" and "%hhu", of digits alone)
   among fixed text. The C library's own reads floating-point numbers and wide characters too: 12 KB, in a program that never asks for one. */
#include <stdarg.h>
#include <stdio.h>

static inline int libusb_sscanf(const char *text, const char *format, ...)
{
	va_list numbers;
	int found = 0;

	va_start(numbers, format);
	while (*format) {
		unsigned int number = 0;

		if (*format != '%') {
			if (*text != *format)
				break;
			text++;
			format++;
			continue;
		}
		if (*text < '0' || *text > '9')
			break;
		while (*text >= '0' && *text <= '9')
			number = number * 10 + (unsigned int)(*text++ - '0');
		if (format[1] == 'h') {
			*va_arg(numbers, unsigned char *) = (unsigned char)number;
			format += 4;
		} else {
			*va_arg(numbers, int *) = (int)number;
			format += 2;
		}
		found++;
	}
	va_end(numbers);
	return found;
}

#define sscanf libusb_sscanf
