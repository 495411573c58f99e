// The floor: the least a server on Linux can do for a plaintext answer. One thread, epoll, no parser to speak of.
//
// It finds the end of each request head and sends a whole HTTP/1.1 answer with type, length and date; several in one
// send when requests are pipelined. It reads no target and no header and takes no body, so it is no server: it shows
// what the kernel's part of a request costs, which nobody gets below.
//
//   floor             listens on 127.0.0.1, prints http://127.0.0.1:PORT; ends by SIGTERM
//   floor --close     closes each connection after its first answer, and says so in it
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  kInputMax = 16 * 1024,  // more than 16 heads of any load generator; a peer that sends more at once is closed
  kOutputMax = 64 * 1024,
  kEventsMax = 256,
  kFdMax = 16 * 1024,
};

// What is left of a head that has not come whole, by descriptor.
static struct {
  char* bytes;
  size_t length;
} pending[kFdMax];

static char answer[256];
static size_t answer_length;
static time_t answer_time;
static bool closes;  // each connection after one answer

static void Fail(const char* what) {
  perror(what);
  exit(1);
}

// Dates change once a second, and so does the answer.
static void RefreshAnswer(void) {
  time_t now = time(NULL);
  if (now == answer_time) return;
  answer_time = now;
  char date[64];
  struct tm parts;
  strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &parts));
  answer_length = (size_t)snprintf(answer, sizeof answer,
                                   "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: %s\r\n"
                                   "%sContent-Length: 13\r\n\r\nHello, World!",
                                   date, closes ? "Connection: close\r\n" : "");
}

static void Close(int fd) {
  pending[fd].length = 0;
  close(fd);
}

// Answers every whole head that has arrived.
static void HandleReadable(int fd) {
  static char input[kInputMax];
  static char output[kOutputMax];
  size_t length = pending[fd].length;
  memcpy(input, pending[fd].bytes, length);
  ssize_t received = recv(fd, input + length, sizeof input - length, 0);
  if (received <= 0) {
    Close(fd);
    return;
  }
  length += (size_t)received;

  size_t start = 0, out = 0;
  for (char* end; (end = memmem(input + start, length - start, "\r\n\r\n", 4)) != NULL;) {
    start = (size_t)(end - input) + 4;
    if (out + answer_length > sizeof output) {
      Close(fd);
      return;
    }
    memcpy(output + out, answer, answer_length);
    out += answer_length;
  }
  size_t rest = length - start;
  if (rest == sizeof input) {
    Close(fd);
    return;
  }
  memcpy(pending[fd].bytes, input + start, rest);
  pending[fd].length = rest;
  // A socket that takes less than this at once belongs to a client that does not read: no benchmark has one.
  if (out > 0 && (send(fd, output, out, MSG_NOSIGNAL) != (ssize_t)out || closes)) Close(fd);
}

static void Accept(int listener, int epoll) {
  int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  if (fd >= kFdMax) {
    close(fd);
    return;
  }
  if (pending[fd].bytes == NULL && (pending[fd].bytes = malloc(kInputMax)) == NULL) Fail("malloc");
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) Fail("epoll_ctl");
}

int main(int argc, char** argv) {
  closes = argc == 2 && strcmp(argv[1], "--close") == 0;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (listener < 0 || bind(listener, (struct sockaddr*)&address, size) < 0 || listen(listener, 4096) < 0 ||
      getsockname(listener, (struct sockaddr*)&address, &size) < 0) {
    Fail("listen");
  }
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0) Fail("epoll");
  printf("listening http://127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);

  for (;;) {
    struct epoll_event events[kEventsMax];
    int count = epoll_wait(epoll, events, kEventsMax, -1);
    RefreshAnswer();
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        Accept(listener, epoll);
      } else {
        HandleReadable(fd);
      }
    }
  }
}
