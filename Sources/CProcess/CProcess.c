#define _GNU_SOURCE
#include "include/CProcess.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#if defined(__APPLE__)
#include <crt_externs.h>
#endif

// MARK: Arguments

#if defined(__APPLE__)
int process_arguments(char *const **arguments) {
  *arguments = *_NSGetArgv();
  return *_NSGetArgc();
}
#else
static int argument_count;
static char *const *argument_list;

// The C library calls constructors with what it calls main with.
__attribute__((constructor)) static void keep_arguments(int count, char **list) {
  argument_count = count;
  argument_list = list;
}

int process_arguments(char *const **arguments) {
  *arguments = argument_list;
  return argument_count;
}
#endif

// MARK: Signals

static int wake[2] = {-1, -1};

static void take_note(int number) {
  int before = errno;
  unsigned char byte = (unsigned char)number;
  while (write(wake[1], &byte, 1) < 0 && errno == EINTR) {
  }
  // The thread that waits ends the process; until then, this one should not finish what is to be given up. It may hold
  // a lock that the other needs, though, and so goes on after a while: later where its own write may have failed, of
  // which it would tell.
  poll(NULL, 0, number == SIGPIPE ? 10000 : 1000);
  errno = before;
}

static int unblock(int number) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, number);
  return pthread_sigmask(SIG_UNBLOCK, &signals, NULL) == 0 ? 0 : -1;
}

static int catch (int number) {
  struct sigaction action;
  if (sigaction(number, NULL, &action) != 0) return -1;
  // A signal that is ignored stays so: under nohup, or in the background of a script.
  if (action.sa_handler == SIG_IGN) return 0;
  action.sa_handler = take_note;
  action.sa_flags = SA_RESTART;
  sigfillset(&action.sa_mask);
  if (sigaction(number, &action, NULL) != 0) return -1;
  // Whoever started the process may have blocked it.
  return unblock(number);
}

int process_prepare_for_signals(void) {
  if (pipe(wake) != 0) return -1;
  for (int end = 0; end < 2; end++) {
    if (fcntl(wake[end], F_SETFD, FD_CLOEXEC) != 0) return -1;
  }
  return 0;
}

int process_catch_signals(void) {
  static const int numbers[] = {
      SIGHUP,  SIGINT,    SIGQUIT, SIGALRM, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE, SIGVTALRM, SIGPROF, SIGXCPU,
#if defined(__linux__)
      SIGPOLL, SIGSTKFLT, SIGPWR,
#endif
  };
  for (size_t index = 0; index < sizeof numbers / sizeof numbers[0]; index++) {
    if (catch (numbers[index]) != 0) return -1;
  }
#if defined(__linux__)
  for (int number = SIGRTMIN; number <= SIGRTMAX; number++) {
    if (catch (number) != 0) return -1;
  }
#endif
  return 0;
}

int process_wait_for_signal(void) {
  unsigned char byte;
  while (read(wake[0], &byte, 1) != 1) {
  }
  return byte;
}

void process_end(int number) {
  signal(number, SIG_DFL);
  kill(getpid(), number);
  unblock(number);
  for (;;) pause();
}
