/* What the library does to the process that it is loaded into: no thread, no signal handler and no output before it is asked to do
 * something; a forked child that is told so. */

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bindings/c/testing.h"

static int threads(void) {
  DIR* const tasks = opendir("/proc/self/task");
  EXPECT(tasks != NULL);
  int count = 0;
  for (const struct dirent* task = readdir(tasks); task != NULL; task = readdir(tasks)) {
    if (task->d_name[0] != '.') ++count;
  }
  closedir(tasks);
  return count;
}

static void expect_no_handlers(const char* when) {
  for (int number = 1; number <= SIGRTMAX; ++number) {
    struct sigaction action;
    if (sigaction(number, NULL, &action) != 0) continue;
    if (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN && !TIDEWAY_SANITIZED) {
      fprintf(stderr, "a handler of signal %d was set %s\n", number, when);
      exit(1);
    }
  }
}

static void no_thread_starts_before_the_first_connection(void) {
  static const int64_t shape[] = {4};
  const tideway_tensor tensor = {"w", shape, 1};
  const int before = threads();
  tideway_runtime* runtime = NULL;
  tideway_layout* layout = NULL;
  EXPECT_OK(tideway_runtime_create(TIDEWAY_ABI_VERSION, NULL, &runtime));
  EXPECT_OK(tideway_layout_create(&tensor, 1, NULL, &layout));
  EXPECT(threads() == before);
  float initial[4] = {0};
  tideway_server* server = NULL;
  EXPECT_OK(tideway_server_start(runtime, NULL, layout, initial, sizeof initial, &server));
  EXPECT(threads() > before);
  EXPECT_OK(tideway_server_free(server));
  EXPECT_OK(tideway_runtime_free(runtime));
  EXPECT(threads() == before);
  tideway_layout_free(layout);
}

static void no_signal_handler_is_left_by_any_transport(void) {
  expect_no_handlers("before anything was done");
  static const char* const kAddresses[] = {"tcp://127.0.0.1:0", "auto://127.0.0.1:0"};
  for (size_t i = 0; i < sizeof kAddresses / sizeof kAddresses[0]; ++i) {
    fixture f;
    fixture_start(&f, NULL, kAddresses[i], "sgd:lr=1", 0.0f);
    tideway_client* const client = fixture_connect(&f);
    float theta[kElements];
    EXPECT_OK(tideway_client_pull(client, theta, sizeof theta, NULL, 0, NULL));
    expect_no_handlers(kAddresses[i]);
    EXPECT_OK(tideway_client_free(client));
    fixture_stop(&f);
  }
}

static void a_forked_child_is_told_to_make_a_runtime_of_its_own(void) {
  fixture f;
  fixture_start(&f, NULL, "tcp://127.0.0.1:0", "sgd:lr=1", 6.0f);
  tideway_client* const client = fixture_connect(&f);
  float theta[kElements] = {0};
  const pid_t child = fork();
  EXPECT(child >= 0);
  if (child == 0) {
    tideway_client* another = NULL;
    tideway_operation* operation = NULL;
    EXPECT_FAILS(tideway_client_pull(client, theta, sizeof theta, NULL, 0, NULL),
                 TIDEWAY_FAILED_PRECONDITION, "was forked");
    EXPECT_FAILS(
        tideway_client_pull_start(client, theta, sizeof theta, NULL, 0, NULL, NULL, &operation),
        TIDEWAY_FAILED_PRECONDITION, "was forked");
    EXPECT_FAILS(tideway_client_close(client), TIDEWAY_FAILED_PRECONDITION, "was forked");
    EXPECT_FAILS(tideway_client_connect(f.runtime, &f.client, f.layout, 0, &another),
                 TIDEWAY_FAILED_PRECONDITION, "was forked");
    EXPECT_FAILS(tideway_server_stop(f.server), TIDEWAY_FAILED_PRECONDITION, "was forked");
    EXPECT_OK(tideway_client_free(client));
    EXPECT_OK(tideway_server_free(f.server));
    EXPECT_OK(tideway_runtime_free(f.runtime));
    /* Its own runtime reaches the parent's server. */
    tideway_runtime* own = NULL;
    EXPECT_OK(tideway_runtime_create(TIDEWAY_ABI_VERSION, NULL, &own));
    f.client.worker = "child";
    EXPECT_OK(tideway_client_connect(own, &f.client, f.layout, 0, &another));
    EXPECT_OK(tideway_client_pull(another, theta, sizeof theta, NULL, 0, NULL));
    EXPECT(theta[0] == 6.0f);
    EXPECT_OK(tideway_client_free(another));
    EXPECT_OK(tideway_runtime_free(own));
    _exit(0);
  }
  int status = 0;
  EXPECT(waitpid(child, &status, 0) == child);
  EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_OK(tideway_client_pull(client, theta, sizeof theta, NULL, 0, NULL));
  EXPECT_OK(tideway_client_free(client));
  fixture_stop(&f);
}

typedef struct lines {
  pthread_mutex_t mutex;
  int count;
  int joined;
} lines;

static void on_log(void* user, tideway_log_level level, const char* text) {
  lines* const log = user;
  pthread_mutex_lock(&log->mutex);
  EXPECT(level >= TIDEWAY_LOG_DEBUG && level <= TIDEWAY_LOG_ERROR);
  EXPECT(strchr(text, '\n') == NULL);
  ++log->count;
  if (strstr(text, "me joined") != NULL) log->joined = 1;
  pthread_mutex_unlock(&log->mutex);
}

static void the_log_goes_to_the_function_that_was_given(void) {
  lines log = {PTHREAD_MUTEX_INITIALIZER, 0, 0};
  const tideway_runtime_options options = {
      .struct_size = sizeof options, .log = on_log, .log_user = &log};
  fixture f;
  fixture_start(&f, &options, "tcp://127.0.0.1:0", "sgd:lr=1", 0.0f);
  tideway_client* const client = fixture_connect(&f);
  EXPECT_OK(tideway_client_free(client));
  fixture_stop(&f);
  EXPECT(log.count > 0 && log.joined == 1);
}

static void versions_and_names_are_there(void) {
  EXPECT(tideway_abi_version() == TIDEWAY_ABI_VERSION);
  EXPECT(strlen(tideway_version()) >= 5);
  EXPECT(strcmp(tideway_status_name(TIDEWAY_UNAUTHENTICATED), "UNAUTHENTICATED") == 0);
  EXPECT(strcmp(tideway_status_name((tideway_status)17), "UNKNOWN") == 0);
}

const test kHostTests[] = {
    {"no_thread_starts_before_the_first_connection", no_thread_starts_before_the_first_connection},
    {"no_signal_handler_is_left_by_any_transport", no_signal_handler_is_left_by_any_transport},
    {"a_forked_child_is_told_to_make_a_runtime_of_its_own",
     a_forked_child_is_told_to_make_a_runtime_of_its_own},
    {"the_log_goes_to_the_function_that_was_given", the_log_goes_to_the_function_that_was_given},
    {"versions_and_names_are_there", versions_and_names_are_there},
    {NULL, NULL}};
