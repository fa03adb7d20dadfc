/*
 * A CRI client in C that `cri-shim compare --client` drives by lines: docs/client-protocol.md.
 *
 *     gcc -O2 -Wall -o cri_client cri_client.c -lnghttp2
 *     cri_client unix:///run/containerd/containerd.sock
 *
 * One thread, one connection, one poll(2) loop over standard input and the socket. libnghttp2 frames HTTP/2 and sends
 * the window updates; gRPC is the little that remains: five bytes before a message, and the status in the trailers.
 * The clock of a call runs from just before its headers are given to HTTP/2 until its stream is closed.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <nghttp2/nghttp2.h>

#include "fields.h"

#define PROTOCOL 1
#define BILL "cri-shim-bill"
#define MOST_METADATA 16
#define WINDOW (1 << 20) /* bytes a stream may send before we must have read: a long list fits */
#define UNKNOWN 2
#define DEADLINE_EXCEEDED 4
#define UNAVAILABLE 14

struct call {
    struct call *next;
    uint64_t id, started, deadline; /* nanoseconds of the monotonic clock */
    int32_t stream;
    int status; /* -1 until the server has said one */
    size_t sent; /* of the request's bytes */
    struct buffer request, answer, message, bill;
};

static struct call *in_flight;
static nghttp2_session *session;
static int connection = -1;

static uint64_t now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* ---- what is written ---- */

/* Say how a call ended, and forget it. */
static void finish(struct call *call, int status, const char *message)
{
    uint64_t taken = now(CLOCK_MONOTONIC) - call->started;

    if (call->stream > 0)
        nghttp2_session_set_stream_user_data(session, call->stream, NULL);
    for (struct call **link = &in_flight; *link; link = &(*link)->next)
        if (*link == call) {
            *link = call->next;
            break;
        }
    printf("answer %" PRIu64 " %" PRIu64 " %d ", call->id, taken, status);
    put((const uint8_t *)message, strlen(message));
    putchar(' ');
    if (call->bill.size) {
        printf(BILL "=");
        put(call->bill.data, call->bill.size);
    } else {
        putchar('-');
    }
    putchar(' ');
    if (status == 0 && call->answer.size > 5)
        put(call->answer.data + 5, call->answer.size - 5); /* after the flag and the length */
    else
        putchar('-');
    putchar('\n');
    fflush(stdout);
    free(call->request.data);
    free(call->answer.data);
    free(call->message.data);
    free(call->bill.data);
    free(call);
}

/* Say that a line cannot be understood. What was meant is not known, so this is the end. */
static void refuse(const char *reason)
{
    printf("error - ");
    put((const uint8_t *)reason, strlen(reason));
    putchar('\n');
    fflush(stdout);
    die("%s", reason);
}

/* ---- what HTTP/2 asks for and says ---- */

static ssize_t give_request(nghttp2_session *_session, int32_t _stream, uint8_t *into, size_t room, uint32_t *flags,
                            nghttp2_data_source *source, void *_user)
{
    struct call *call = source->ptr;
    size_t size = call->request.size - call->sent;

    if (size > room)
        size = room;
    memcpy(into, call->request.data + call->sent, size);
    call->sent += size;
    if (call->sent == call->request.size)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)size;
}

static int on_data(nghttp2_session *of, uint8_t _flags, int32_t stream, const uint8_t *data, size_t size, void *_user)
{
    struct call *call = nghttp2_session_get_stream_user_data(of, stream);

    if (call)
        append(&call->answer, data, size);
    return 0;
}

/* Headers and trailers look alike here: a server that fails at once sends the status in its only headers. */
static int on_header(nghttp2_session *of, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
                     const uint8_t *value, size_t size, uint8_t _flags, void *_user)
{
    struct call *call = nghttp2_session_get_stream_user_data(of, frame->hd.stream_id);

    if (!call)
        return 0;
    if (name_size == strlen("grpc-status") && !memcmp(name, "grpc-status", name_size)) {
        call->status = atoi((const char *)value);
    } else if (name_size == strlen(BILL) && !memcmp(name, BILL, name_size)) {
        append(&call->bill, value, size);
    } else if (name_size == strlen("grpc-message") && !memcmp(name, "grpc-message", name_size)) {
        for (size_t at = 0; at < size; at++) { /* percent-encoded */
            unsigned byte = value[at];
            if (byte == '%' && at + 2 < size && sscanf((const char *)value + at + 1, "%2x", &byte) == 1)
                at += 2;
            uint8_t plain = (uint8_t)byte;
            append(&call->message, &plain, 1);
        }
    }
    return 0;
}

static int on_close(nghttp2_session *of, int32_t stream, uint32_t error, void *_user)
{
    struct call *call = nghttp2_session_get_stream_user_data(of, stream);
    char reason[80];

    if (!call)
        return 0;
    if (call->status >= 0) {
        finish(call, call->status, call->message.data ? (const char *)call->message.data : "");
    } else {
        snprintf(reason, sizeof reason, "the stream was closed without a status: %s", nghttp2_http2_strerror(error));
        finish(call, error == NGHTTP2_REFUSED_STREAM ? UNAVAILABLE : UNKNOWN, reason);
    }
    return 0;
}

/* ---- the connection ---- */

static ssize_t send_some(nghttp2_session *_session, const uint8_t *data, size_t size, int _flags, void *_user)
{
    ssize_t sent = send(connection, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent >= 0)
        return sent;
    return errno == EAGAIN || errno == EINTR ? NGHTTP2_ERR_WOULDBLOCK : NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* Connect unless there is a connection; 0, or -1 with errno. */
static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                         {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW}};
    nghttp2_session_callbacks *callbacks;

    if (session)
        return 0;
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof address)) {
        if (connection >= 0)
            close(connection);
        return -1;
    }
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_send_callback(callbacks, send_some);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    if (nghttp2_session_client_new(&session, callbacks, NULL))
        die("out of memory");
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, 2 * WINDOW);
    return 0;
}

/* Forget a connection that has ended, with everything that was in flight on it; the next call makes another. */
static void disconnect(const char *reason)
{
    while (in_flight)
        finish(in_flight, UNAVAILABLE, reason);
    nghttp2_session_del(session);
    session = NULL;
    close(connection);
    connection = -1;
}

static void receive(void)
{
    static uint8_t data[1 << 16];
    ssize_t size = recv(connection, data, sizeof data, MSG_DONTWAIT);

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0 || nghttp2_session_mem_recv(session, data, (size_t)size) < 0)
        disconnect("the connection was closed");
    else if (!nghttp2_session_want_read(session) && !nghttp2_session_want_write(session))
        disconnect("the endpoint has ended"); /* it has said GOAWAY, and waits for us to hang up */
}

/* ---- calls ---- */

#define HEADER(NAME, VALUE) \
    (nghttp2_nv){(uint8_t *)(NAME), (uint8_t *)(VALUE), strlen(NAME), strlen(VALUE), NGHTTP2_NV_FLAG_NONE}

/* The pairs of a call line's metadata become headers; what they point to is in `values`. Their number, or -1. */
static int add_metadata(nghttp2_nv *headers, char *pairs, struct buffer *values)
{
    int count = 0;

    if (!strcmp(pairs, "-"))
        return 0;
    for (char *pair = strtok(pairs, ","); pair; pair = strtok(NULL, ",")) {
        char *equals = strchr(pair, '=');
        if (!equals || equals == pair || count == MOST_METADATA)
            return -1;
        *equals = 0;
        if (decode(&values[count], equals + 1, strlen(equals + 1)))
            return -1;
        headers[count] = HEADER(pair, (char *)values[count].data);
        count++;
    }
    return count;
}

static void make_call(const char *path, char *line)
{
    char *fields[6], timeout[32], sent[32];
    nghttp2_nv headers[9 + MOST_METADATA];
    struct buffer values[MOST_METADATA] = {{0}};
    struct call *call;
    nghttp2_data_provider body;
    uint32_t length;
    int more;

    for (int field = 0; field < 6; field++) {
        fields[field] = strsep(&line, " ");
        if (!fields[field])
            refuse("a call has six fields: call ID METHOD MILLISECONDS METADATA REQUEST");
    }
    if (line || strcmp(fields[0], "call"))
        refuse("a line is `call ID METHOD MILLISECONDS METADATA REQUEST`");
    call = calloc(1, sizeof *call);
    if (!call)
        die("out of memory");
    call->status = -1;
    call->id = strtoull(fields[1], NULL, 10);
    append(&call->request, "\0\0\0\0", 5); /* not compressed; the length is filled in below */
    if (decode(&call->request, fields[5], strlen(fields[5])))
        refuse("the request is not base64");
    length = (uint32_t)(call->request.size - 5);
    for (int byte = 0; byte < 4; byte++)
        call->request.data[1 + byte] = (uint8_t)(length >> (24 - 8 * byte));
    snprintf(timeout, sizeof timeout, "%.8sm", fields[3]); /* gRPC allows eight digits */
    headers[0] = HEADER(":method", "POST");
    headers[1] = HEADER(":scheme", "http");
    headers[2] = HEADER(":path", fields[2]);
    headers[3] = HEADER(":authority", "localhost");
    headers[4] = HEADER("te", "trailers");
    headers[5] = HEADER("content-type", "application/grpc");
    headers[6] = HEADER("user-agent", "cri_client.c");
    headers[7] = HEADER("grpc-timeout", timeout);
    more = add_metadata(headers + 9, fields[4], values);
    if (more < 0)
        refuse("metadata is KEY=BASE64, pairs of it between commas");
    body.source.ptr = call;
    body.read_callback = give_request;

    call->next = in_flight;
    in_flight = call;
    call->started = now(CLOCK_MONOTONIC);
    call->deadline = call->started + strtoull(fields[3], NULL, 10) * 1000000u;
    if (connect_to(path)) {
        finish(call, UNAVAILABLE, strerror(errno));
    } else {
        snprintf(sent, sizeof sent, "%" PRIu64, now(CLOCK_REALTIME));
        headers[8] = HEADER("cri-shim-sent", sent);
        headers[8].flags = NGHTTP2_NV_FLAG_NO_INDEX; /* it never comes again */
        call->stream = nghttp2_submit_request(session, NULL, headers, (size_t)(9 + more), &body, call);
        if (call->stream < 0)
            finish(call, UNAVAILABLE, nghttp2_strerror(call->stream));
        else if (nghttp2_session_send(session))
            disconnect("the connection was closed");
    }
    for (int value = 0; value < MOST_METADATA; value++)
        free(values[value].data);
}

/* End calls whose time is over; the milliseconds until the next one's, or -1. */
static int end_late_calls(void)
{
    uint64_t moment = now(CLOCK_MONOTONIC), first = UINT64_MAX;

    for (struct call *call = in_flight, *next; call; call = next) {
        next = call->next;
        if (call->deadline <= moment) {
            nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_CANCEL);
            finish(call, DEADLINE_EXCEEDED, "the deadline has passed");
        } else if (call->deadline < first) {
            first = call->deadline;
        }
    }
    if (first == UINT64_MAX)
        return -1;
    first = (first - moment) / 1000000u + 1;
    return first > 60000 ? 60000 : (int)first;
}

/* Read what there is of standard input and make the calls of whole lines; 0 at its end. */
static int read_lines(const char *path)
{
    static struct buffer input;
    static char piece[1 << 16];
    ssize_t size = read(STDIN_FILENO, piece, sizeof piece);
    size_t seen = input.size;
    char *line, *end;

    if (size <= 0)
        return size < 0 && errno == EINTR;
    append(&input, piece, (size_t)size);
    line = (char *)input.data;
    while ((end = memchr(input.data + seen, '\n', input.size - seen))) {
        *end = 0;
        make_call(path, line);
        line = end + 1;
        seen = (size_t)(line - (char *)input.data);
    }
    input.size -= (size_t)(line - (char *)input.data);
    memmove(input.data, line, input.size + 1);
    return 1;
}

int main(int count, char **arguments)
{
    static const char UNIX[] = "unix://";
    const char *path;

    if (count != 2 || strncmp(arguments[1], UNIX, strlen(UNIX)))
        die("usage: cri_client unix:///PATH");
    path = arguments[1] + strlen(UNIX);
    printf("hello %d cri_client.c nghttp2 %s\n", PROTOCOL, nghttp2_version(0)->version_str);
    fflush(stdout);
    for (;;) {
        struct pollfd polled[2] = {{STDIN_FILENO, POLLIN, 0}, {connection, POLLIN, 0}};
        int wait = end_late_calls();

        if (session && nghttp2_session_send(session)) /* settings, window updates, answers to pings */
            disconnect("the connection was closed");
        polled[1].fd = connection;
        if (session && nghttp2_session_want_write(session))
            polled[1].events |= POLLOUT;
        if (poll(polled, 2, wait) < 0 && errno != EINTR)
            die("poll: %s", strerror(errno));
        if (session && polled[1].revents)
            receive();
        if (polled[0].revents && !read_lines(path))
            return 0; /* what is still in flight ends with the connection */
    }
}
