/*
 * Buffers that grow, and the fields of the protocol's lines: base64, or "-" for nothing.
 */

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct buffer {
    uint8_t *data;
    size_t size, room;
};

static void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "cri_client: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    exit(1);
}

static void append(struct buffer *buffer, const void *data, size_t size)
{
    if (buffer->size + size + 1 > buffer->room) {
        buffer->room = 2 * (buffer->size + size + 1);
        buffer->data = realloc(buffer->data, buffer->room);
        if (buffer->data == NULL)
            die("out of memory");
    }
    if (size)
        memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
    buffer->data[buffer->size] = 0; /* so that it can be read as a string */
}

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Append what a field holds to a buffer, "-" being nothing; 0, or -1 for what is not base64. */
static int decode(struct buffer *into, const char *field, size_t length)
{
    static signed char value[256];
    uint32_t bits = 0;
    int have = 0;

    if (!value['B']) {
        memset(value, -1, sizeof value);
        for (int digit = 0; digit < 64; digit++)
            value[(unsigned char)DIGITS[digit]] = (signed char)digit;
    }
    append(into, "", 0);
    if (length == 1 && field[0] == '-')
        return 0;
    while (length && field[length - 1] == '=')
        length--;
    for (size_t at = 0; at < length; at++) {
        int digit = value[(unsigned char)field[at]];
        if (digit < 0)
            return -1;
        bits = bits << 6 | (uint32_t)digit;
        have += 6;
        if (have >= 8) {
            uint8_t byte = (uint8_t)(bits >> (have -= 8));
            append(into, &byte, 1);
        }
    }
    return 0;
}

/* Print bytes as a field. */
static void put(const uint8_t *data, size_t size)
{
    if (size == 0) {
        putchar('-');
        return;
    }
    for (size_t at = 0; at < size; at += 3) {
        size_t left = size - at;
        uint32_t bits = (uint32_t)data[at] << 16;
        if (left > 1)
            bits |= (uint32_t)data[at + 1] << 8;
        if (left > 2)
            bits |= data[at + 2];
        putchar(DIGITS[bits >> 18]);
        putchar(DIGITS[bits >> 12 & 63]);
        putchar(left > 1 ? DIGITS[bits >> 6 & 63] : '=');
        putchar(left > 2 ? DIGITS[bits & 63] : '=');
    }
}
