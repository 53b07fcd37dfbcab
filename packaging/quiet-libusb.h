/* Included first into libusb by `packaging/cross TARGET router`: its debug messages, which mainsd never asks for, are left out. What it
   writes then is "%s", "%u", "%03u" and "%d", of numbers that are not negative: the C library's own snprintf, 9 KB and on AArch64
   more, can do what nobody asks for, floating-point numbers among it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef ENABLE_LOGGING

static inline int libusb_snprintf(char *out, size_t size, const char *format, ...)
{
	va_list values;
	size_t used = 0;

	va_start(values, format);
	while (*format) {
		char digits[12];
		const char *text = digits;
		size_t length = 1;

		if (*format != '%') {
			digits[0] = *format++;
		} else if (format[1] == 's') {
			text = va_arg(values, const char *);
			length = strlen(text);
			format += 2;
		} else {
			size_t least = format[1] == '0' ? (size_t)(format[2] - '0') : 1;
			unsigned int number = va_arg(values, unsigned int);
			char *first = digits + sizeof(digits);

			do {
				*--first = (char)('0' + number % 10);
				number /= 10;
				length = (size_t)(digits + sizeof(digits) - first);
			} while (number || length < least);
			text = first;
			format += least > 1 ? 4 : 2;
		}
		for (; length; length--, text++, used++)
			if (used + 1 < size)
				out[used] = *text;
	}
	va_end(values);
	if (size)
		out[used < size ? used : size - 1] = '\0';
	return (int)used;
}

static inline int libusb_asprintf(char **out, const char *format, const char *text)
{
	size_t size = strlen(format) + strlen(text);

	*out = malloc(size);
	return *out ? libusb_snprintf(*out, size, format, text) : -1;
}

#define snprintf libusb_snprintf
#define asprintf libusb_asprintf
