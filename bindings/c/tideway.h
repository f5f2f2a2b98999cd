/* Tideway from C, and from everything that can call C.
 *
 * Handles are opaque. Every function that can fail returns a tideway_status; what was wrong, and how to mend it, says
 * tideway_last_message() of the calling thread. No exception and no abort leaves this library, and it never prints.
 *
 * Structs. Set struct_size to the struct's size and leave what you don't care for zero, which stands for its default:
 *     tideway_client_options options = {.struct_size = sizeof options, .servers = uris, .server_count = 1};
 * A program that was compiled with an older header goes on working with a newer library; a newer one's fields are refused where
 * this library does not know them, never ignored. A null pointer in place of options means all defaults, and in place of a report
 * that nobody wants it.
 *
 * Buffers. Parameters and deltas are contiguous fp32 in the machine's byte order, the layout's tensors one after the other; all
 * sizes are in bytes. A buffer handed to a function that starts something belongs to the library until that operation is finished.
 *
 * Threads. Every function may be called from any thread, tideway_local_sgd_* from one at a time. Nothing starts a thread
 * before the first client connects or the first server starts. Callbacks come on the library's threads: they must be quick, must
 * not wait for anything, and what blocks or frees refuses to run in them with TIDEWAY_FAILED_PRECONDITION.
 *
 * fork. What a process made is of no use to a child that it forks: there every call answers TIDEWAY_FAILED_PRECONDITION, and freeing
 * forgets the handle without touching the parent's connections. A child makes a runtime of its own; ucx:// is refused there if the
 * parent has used it.
 *
 * Freeing. A handle may be freed before what was made from it; null is ignored. Two threads must not free one handle.
 *
 * Times are in milliseconds. A timeout of 0 means the default of that call; TIDEWAY_NO_TIMEOUT, that it has none.
 *
 * A whole program: examples/c/mlp.c. */

#ifndef TIDEWAY_BINDINGS_C_TIDEWAY_H_
#define TIDEWAY_BINDINGS_C_TIDEWAY_H_

#include <stddef.h>
#include <stdint.h>

#include "tideway/codec_module.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of this header. It goes up when something is removed or changes its meaning; what is added leaves it as it is. */
#define TIDEWAY_ABI_VERSION 1u

#define TIDEWAY_NO_TIMEOUT ((int64_t)-1)

/* --- statuses ------------------------------------------------------------------------------------------------------- */

/* The numbers are those of absl::StatusCode, and permanent. */
typedef enum tideway_status {
  TIDEWAY_OK = 0,
  TIDEWAY_CANCELLED = 1, /* closed, left or asked to stop while it ran */
  TIDEWAY_UNKNOWN = 2,
  TIDEWAY_INVALID_ARGUMENT =
      3, /* a null, a size, a spec, a NaN, a layout that the server does not have */
  TIDEWAY_DEADLINE_EXCEEDED = 4,
  TIDEWAY_NOT_FOUND = 5,
  TIDEWAY_ALREADY_EXISTS = 6,
  TIDEWAY_PERMISSION_DENIED = 7,
  TIDEWAY_RESOURCE_EXHAUSTED = 8,
  TIDEWAY_FAILED_PRECONDITION =
      9, /* closed, not joined, fenced by a newer incarnation, in a forked child, in a callback */
  TIDEWAY_ABORTED = 10,
  TIDEWAY_OUT_OF_RANGE = 11,
  TIDEWAY_UNIMPLEMENTED = 12,
  TIDEWAY_INTERNAL = 13,
  TIDEWAY_UNAVAILABLE = 14, /* a server stayed away; a transport can't work here */
  TIDEWAY_DATA_LOSS = 15,
  TIDEWAY_UNAUTHENTICATED = 16
} tideway_status;

/* "INVALID_ARGUMENT". Lives for ever; "UNKNOWN" for a number that is none of them. */
const char* tideway_status_name(tideway_status status);

/* Of the last call on this thread that did not return TIDEWAY_OK. Valid until the next one; "" before the first. */
const char* tideway_last_message(void);

/* TIDEWAY_ABI_VERSION of the library that is loaded. */
uint32_t tideway_abi_version(void);
/* "0.1.0". Lives for ever. */
const char* tideway_version(void);

/* What the functions below that return text through a char** have made. Null is ignored. */
void tideway_text_free(char* text);

typedef struct tideway_runtime tideway_runtime;
typedef struct tideway_layout tideway_layout;
typedef struct tideway_client tideway_client;
typedef struct tideway_operation tideway_operation;
typedef struct tideway_local_sgd tideway_local_sgd;
typedef struct tideway_server tideway_server;

/* --- outer optimizers written in C ------------------------------------------------------------------------------------ */

typedef struct tideway_apply_context {
  uint64_t staleness; /* of the delta, in versions */
  uint32_t active_workers;
  float weight; /* from the staleness policy; multiplies the delta */
} tideway_apply_context;

/* What an optimizer remembers of one fragment. The server owns and snapshots it. */
typedef struct tideway_optimizer_state {
  float* const* slots; /* slot_count() arrays as long as the fragment; they begin as zeros */
  uint64_t pushes;     /* the optimizer's to count; begins at 0 */
  uint32_t window;     /* likewise */
} tideway_optimizer_state;

enum {
  TIDEWAY_APPLIED = 0,  /* theta changed */
  TIDEWAY_BUFFERED = 1, /* kept in the state; theta changes with a later delta */
  TIDEWAY_APPLY_FAILED =
      2 /* theta and state are as they were; the push is refused with the text in `error` */
};

/* An optimizer is immutable. All functions may be called by several threads at once (for different fragments) and keep no
 * pointer. `error` has room for kTidewayCodecErrorBytes, the zero at the end included. */
typedef struct tideway_outer_optimizer {
  size_t struct_size;
  const char* name; /* letters, digits, - and _ */
  void* user;       /* handed to create */
  /* From `name:key=value,key=value` or the name alone. Sets *optimizer. Returns kTidewayCodecOk, or kTidewayCodecInvalid and
   * why in `error`. */
  int (*create)(void* user, const char* spec, void** optimizer, char* error);
  void (*destroy)(void* optimizer);
  size_t (*slot_count)(const void* optimizer);
  /* Steps theta by a delta, which is theta at the worker's last pull minus the worker's theta now: descent subtracts it. */
  int (*apply)(const void* optimizer, float* theta, const float* delta, size_t elements,
               const tideway_apply_context* context, tideway_optimizer_state* state, char* error);
} tideway_outer_optimizer;

/* --- runtime ---------------------------------------------------------------------------------------------------------- */

typedef enum tideway_log_level {
  TIDEWAY_LOG_DEBUG = 0,
  TIDEWAY_LOG_INFO = 1,
  TIDEWAY_LOG_WARNING = 2,
  TIDEWAY_LOG_ERROR = 3
} tideway_log_level;

/* `text` is one line without its end, valid during the call. Called on any of the library's threads, also several at once; must
 * not call the library. */
typedef void (*tideway_log_function)(void* user, tideway_log_level level, const char* text);

typedef struct tideway_runtime_options {
  size_t struct_size;
  uint32_t
      threads; /* that run callbacks and servers' steps, beside one per transport and one for timers; 0: one per core, at most 8 */
  tideway_log_function log; /* null: nothing is logged */
  void* log_user;
  /* Codecs: tables that stay as they are until the runtime and all that was made from it are freed, and shared libraries. */
  const TidewayCodecModule* const* codecs;
  size_t codec_count;
  const char* const* codec_files;
  size_t codec_file_count;
  /* The same holds for these tables. */
  const tideway_outer_optimizer* const* outer_optimizers;
  size_t outer_optimizer_count;
  const char*
      module_dir; /* where the transports' modules lie; null: ./tideway beside this library, and where it was installed */
} tideway_runtime_options;

/* Registries, threads, transports and log sink of the clients and servers made from it. `abi_version` is TIDEWAY_ABI_VERSION of
 * the header that the caller was compiled with. */
tideway_status tideway_runtime_create(uint32_t abi_version, const tideway_runtime_options* options,
                                      tideway_runtime** runtime);
/* Its threads end when the last client or server made from it is freed. */
tideway_status tideway_runtime_free(tideway_runtime* runtime);

/* --- layout ----------------------------------------------------------------------------------------------------------- */

typedef struct tideway_tensor {
  const char* name;
  const int64_t* shape; /* null with rank 0: a scalar */
  size_t rank;
} tideway_tensor;

typedef struct tideway_layout_options {
  size_t struct_size;
  size_t fragment_bytes_max; /* 0: 1 MiB. Must be the servers' */
  uint32_t servers;          /* 0: 1 */
} tideway_layout_options;

/* TIDEWAY_INVALID_ARGUMENT, naming the tensor, for an empty or repeated name, a shape that is not positive or too large. */
tideway_status tideway_layout_create(const tideway_tensor* tensors, size_t tensor_count,
                                     const tideway_layout_options* options,
                                     tideway_layout** layout);
/* Of all parameters; 0 for null. What a delta and a destination must have. */
size_t tideway_layout_bytes(const tideway_layout* layout);
size_t tideway_layout_fragments(const tideway_layout* layout);
/* Equal layouts have equal fingerprints; 0 for null. */
uint64_t tideway_layout_fingerprint(const tideway_layout* layout);
void tideway_layout_free(tideway_layout* layout);

/* --- client ----------------------------------------------------------------------------------------------------------- */

typedef struct tideway_client_options {
  size_t struct_size;
  const char* const*
      servers; /* one URI per server, in the order of their indices: "tcp://head:5000", "auto://head:5000" */
  size_t server_count;
  const char*
      worker; /* a restarted worker of the same name takes the place of the former one; null: a random name */
  int observer;         /* 1: pulls only, holds no lease */
  const char* codec_up; /* for deltas: "int8:block=256", "auto"; null: "identity" */
  const char* const*
      codecs_up; /* what "auto" may choose from beside identity; none: bf16 and int8 */
  size_t codec_up_count;
  const char* codec_down; /* for parameters; null: "identity" */
  const char*
      pull_differences; /* codec of differences, so that pulls bring what has changed; null: whole parameters */
  int no_error_feedback; /* 1: what a lossy codec_up leaves over is lost, not added to the next delta */
  float residual_decay;      /* of error feedback; 0: 1 */
  float momentum_correction; /* in [0, 1); 0: none */
  int no_factor_masking;
  int drop_rejected; /* 1: a push that is rejected as stale is dropped; 0: it returns to the residual */
  size_t bytes_in_flight_max;   /* encoded, per server; 0: 16 MiB */
  int64_t reconnect_timeout_ms; /* 0: 60,000 */
  int no_one_sided_pull;        /* 1: always ask the server's processor */
} tideway_client_options;

typedef struct tideway_push_options {
  size_t struct_size;
  uint32_t inner_steps; /* that made this delta */
} tideway_push_options;

typedef struct tideway_push_report {
  size_t struct_size;
  uint32_t fragments;
  uint32_t applied; /* of the fragments */
  uint32_t buffered;
  uint32_t rejected; /* as stale */
  uint64_t bytes;    /* encoded, without headers */
  uint64_t bytes_fp32;
  uint64_t staleness_max; /* versions */
} tideway_push_report;

typedef struct tideway_pull_options {
  size_t struct_size;
  uint64_t window; /* of an assignment; 0: the newest parameters */
} tideway_pull_options;

typedef struct tideway_pull_report {
  size_t struct_size;
  uint64_t version_min; /* over the fragments */
  uint64_t version_max;
  uint64_t bytes; /* encoded */
  uint64_t bytes_fp32;
  uint32_t one_sided;   /* of the fragments: read from the server's memory, without its processor */
  uint32_t differences; /* of the fragments: came as differences */
} tideway_pull_report;

/* Connects to all servers and shakes hands; blocks, by default for 30 s at most. TIDEWAY_INVALID_ARGUMENT where a server's layout is
 * another one: the message names the first tensor that differs. */
tideway_status tideway_client_connect(tideway_runtime* runtime,
                                      const tideway_client_options* options,
                                      const tideway_layout* layout, int64_t timeout_ms,
                                      tideway_client** client);
/* `delta`: theta at the last pull minus theta now, tideway_layout_bytes(). A NaN or an infinity is refused, naming the tensor. By
 * default these wait 60 s at most; after TIDEWAY_DEADLINE_EXCEEDED each fragment may have been applied or not. */
tideway_status tideway_client_push(tideway_client* client, const float* delta, size_t delta_bytes,
                                   const tideway_push_options* options, int64_t timeout_ms,
                                   tideway_push_report* report);
tideway_status tideway_client_pull(tideway_client* client, float* destination,
                                   size_t destination_bytes, const tideway_pull_options* options,
                                   int64_t timeout_ms, tideway_pull_report* report);
/* The pulled parameters contain the push. `delta` and `destination` may be the same memory. */
tideway_status tideway_client_push_pull(tideway_client* client, const float* delta,
                                        size_t delta_bytes, const tideway_push_options* push,
                                        float* destination, size_t destination_bytes,
                                        const tideway_pull_options* pull, int64_t timeout_ms,
                                        tideway_push_report* push_report,
                                        tideway_pull_report* pull_report);
/* Fails what is under way with TIDEWAY_CANCELLED and closes the connections; every later call answers TIDEWAY_FAILED_PRECONDITION. */
tideway_status tideway_client_close(tideway_client* client);
/* Gives the worker's lease back, says goodbye and closes; by default waits 5 s at most. Without it, the lease runs out. */
tideway_status tideway_client_leave(tideway_client* client, int64_t timeout_ms);
/* Closes, waits for the last callback, and makes the client's operations that are not freed yet findable no more: they still have
 * to be freed. TIDEWAY_FAILED_PRECONDITION in a callback; then nothing was freed. */
tideway_status tideway_client_free(tideway_client* client);

/* --- operations: calls that do not block -------------------------------------------------------------------------------- */

/* Called once, when the operation is finished, on one of the library's threads. May read and free the operation. */
typedef void (*tideway_done)(void* user, tideway_operation* operation);

/* As the blocking ones, and return at once. With `done`, that is called at the end; without, the operation waits to be fetched by
 * tideway_client_next. In both cases tideway_operation_wait works, and every operation has to be freed.
 * TIDEWAY_RESOURCE_EXHAUSTED: the client has 1,024 operations that are not freed. `*operation` is set before `done` can be called. */
tideway_status tideway_client_push_start(tideway_client* client, const float* delta,
                                         size_t delta_bytes, const tideway_push_options* options,
                                         int64_t timeout_ms, tideway_done done, void* user,
                                         tideway_operation** operation);
tideway_status tideway_client_pull_start(tideway_client* client, float* destination,
                                         size_t destination_bytes,
                                         const tideway_pull_options* options, int64_t timeout_ms,
                                         tideway_done done, void* user,
                                         tideway_operation** operation);
tideway_status tideway_client_push_pull_start(tideway_client* client, const float* delta,
                                              size_t delta_bytes, const tideway_push_options* push,
                                              float* destination, size_t destination_bytes,
                                              const tideway_pull_options* pull, int64_t timeout_ms,
                                              tideway_done done, void* user,
                                              tideway_operation** operation);

/* For an event loop: a file descriptor that poll, epoll or select find readable while tideway_client_next has something. It is the
 * client's: neither read nor close it. */
tideway_status tideway_client_fd(tideway_client* client, int* fd);
/* Takes a finished operation that has no `done`; sets *operation to null where there is none. Never blocks. */
tideway_status tideway_client_next(tideway_client* client, tideway_operation** operation);

/* Whether it is finished. Never blocks. */
tideway_status tideway_operation_poll(tideway_operation* operation, int* finished);
/* TIDEWAY_OK: it is finished (how, says tideway_operation_result). TIDEWAY_DEADLINE_EXCEEDED: it goes on. By default waits
 * without an end. */
tideway_status tideway_operation_wait(tideway_operation* operation, int64_t timeout_ms);
/* What the blocking call would have returned, and its reports. TIDEWAY_FAILED_PRECONDITION before it is finished. */
tideway_status tideway_operation_result(tideway_operation* operation, tideway_push_report* push,
                                        tideway_pull_report* pull);
void* tideway_operation_user(const tideway_operation* operation);
/* Waits for the operation if it still runs, since its buffers are in use until then. TIDEWAY_FAILED_PRECONDITION for a running one
 * in a callback. */
tideway_status tideway_operation_free(tideway_operation* operation);

/* --- local SGD: a training loop that is there already ------------------------------------------------------------------- */

/* One parameter tensor: the trainer's memory, which stays where it is until the tideway_local_sgd is freed. */
typedef struct tideway_parameter {
  const char* name;
  const int64_t* shape;
  size_t rank;
  float* data;
  size_t data_bytes; /* must be what the shape says */
} tideway_parameter;

typedef struct tideway_local_sgd_options {
  size_t struct_size;
  size_t fragment_bytes_max; /* 0: 1 MiB. Must be the servers' */
  uint32_t
      inner_steps; /* between two exchanges; 0: as the leading server assigns. It counts no more than it assigned */
  uint32_t
      overlap_steps; /* inner steps that go on during an exchange; 0: the call after the last step waits */
  int merge_alpha; /* 1: theta = alpha * theta now + (1 - alpha) * pulled; 0: rebase, no inner step is lost */
  double alpha;                /* of merge_alpha */
  int64_t join_timeout_ms;     /* 0: 30,000 */
  int64_t exchange_timeout_ms; /* of push, assignment and pull together; 0: 900,000 */
} tideway_local_sgd_options;

typedef struct tideway_sync_event {
  size_t struct_size;
  int pushed;            /* an exchange was started (and, without overlap, finished) */
  int merged;            /* pulled parameters were put in place */
  double waited_seconds; /* that this call blocked */
} tideway_sync_event;

typedef struct tideway_local_sgd_state {
  size_t struct_size;
  int finished;               /* the run's target is reached; the parameters are the final ones */
  uint32_t inner_steps;       /* of the current assignment */
  uint64_t inner_steps_taken; /* by this worker since it joined */
  uint64_t window;
  uint32_t shard;           /* of the training data, to draw from */
  uint64_t shard_step;      /* where to go on sampling in that shard */
  double schedule_progress; /* in [0, 1]: of the learning-rate schedule */
} tideway_local_sgd_state;

/* Connects, and fills the parameters with the servers' values. Blocks. Of the client's options, `observer` must be 0. */
tideway_status tideway_local_sgd_join(tideway_runtime* runtime,
                                      const tideway_client_options* client,
                                      const tideway_local_sgd_options* options,
                                      const tideway_parameter* parameters, size_t parameter_count,
                                      tideway_local_sgd** local_sgd);
/* To be called after each step of the inner optimizer. After the last one of an assignment it pushes what was learned and puts the
 * pulled parameters in place. `loss` is told to the servers; `tokens` are those of this step. The reports are of the exchange
 * that was merged, all zero where none was. After an error other than
 * TIDEWAY_INVALID_ARGUMENT (a NaN, naming the tensor) it can only be left. */
tideway_status tideway_local_sgd_step(tideway_local_sgd* local_sgd, double loss, uint64_t tokens,
                                      tideway_sync_event* event, tideway_push_report* push,
                                      tideway_pull_report* pull);
tideway_status tideway_local_sgd_get_state(tideway_local_sgd* local_sgd,
                                           tideway_local_sgd_state* state);
/* From any thread: a call of tideway_local_sgd_step that waits, and all later ones that would, end with TIDEWAY_CANCELLED. */
tideway_status tideway_local_sgd_request_stop(tideway_local_sgd* local_sgd);
/* Its client, for reports and statistics: lives as long as the local_sgd, and is not freed by the caller. */
tideway_client* tideway_local_sgd_client(tideway_local_sgd* local_sgd);
/* Pushes nothing more, gives the lease back, closes. */
tideway_status tideway_local_sgd_leave(tideway_local_sgd* local_sgd);
/* Leaves if need be. */
tideway_status tideway_local_sgd_free(tideway_local_sgd* local_sgd);

/* --- server ------------------------------------------------------------------------------------------------------------- */

typedef struct tideway_server_options {
  size_t struct_size;
  const char* const* listen; /* none: "tcp://127.0.0.1:0", a free port of this host */
  size_t listen_count;
  uint32_t server_index;
  const char* outer_optimizer; /* null: "delayed-nesterov:lr=0.7,momentum=0.9,c=0,n=auto" */
  const char* staleness;       /* "accept", "weight:power=0.5", "bound:max=10"; null: accept */
  /* The schedule that server 0 leads by. */
  int synchronous;             /* 1: synchronous DiLoCo; 0: asynchronous */
  uint32_t inner_steps;        /* of the fastest worker, between two exchanges; 0: 50 */
  int no_dylu;                 /* 1: slower workers get as many steps as the fastest */
  int no_grace;                /* 1: a worker is released at once */
  uint32_t sync_quorum;        /* synchronous: workers to wait for; 0: all active */
  int64_t sync_timeout_ms;     /* 0: 600,000 */
  uint32_t workers_to_begin;   /* before the first assignment is handed out; 0: 1 */
  uint64_t inner_steps_total;  /* over all workers; 0: endless */
  const uint64_t* shard_sizes; /* of the training data, in any unit; none: one shard */
  size_t shard_count;
  uint64_t seed; /* of the sampling of shards */
  /* Limits. */
  int64_t lease_ms;           /* silence after which a worker loses its place; 0: 15,000 */
  size_t credit_bytes;        /* to each worker; 0: 32 MiB */
  size_t sessions_max;        /* 0: 256 */
  size_t one_sided_bytes_max; /* of memory that clients may read without this processor; 0: 8 GiB */
  int no_one_sided;           /* 1: no client may */
  size_t difference_codecs_max; /* that pulls may ask differences with, at a time; 0: 4 */
  int no_differences;
  const char* snapshot_dir;     /* null: snapshots are refused */
  int64_t snapshot_interval_ms; /* 0: only when asked for */
} tideway_server_options;

/* `initial`: the parameters to begin with, tideway_layout_bytes(); copied. */
tideway_status tideway_server_start(tideway_runtime* runtime, const tideway_server_options* options,
                                    const tideway_layout* layout, const float* initial,
                                    size_t initial_bytes, tideway_server** server);
/* Goes on from the newest snapshot in options->snapshot_dir; TIDEWAY_NOT_FOUND: there is none. */
tideway_status tideway_server_recover(tideway_runtime* runtime,
                                      const tideway_server_options* options,
                                      const tideway_layout* layout, tideway_server** server);
/* What a client connects to, in the order of options.listen: "tcp://127.0.0.1:41873". Lives as long as the server; null beyond. */
const char* tideway_server_address(const tideway_server* server, size_t index);
/* The master copy of this server's fragments; the rest of `destination` stays as it is. */
tideway_status tideway_server_read(tideway_server* server, float* destination,
                                   size_t destination_bytes);
/* Blocks. `folder`, if not null, is set to where it lies; free it by tideway_text_free. */
tideway_status tideway_server_snapshot(tideway_server* server, char** folder);
/* Refuses new sessions and closes the others. Later calls but reading and statistics answer TIDEWAY_FAILED_PRECONDITION. */
tideway_status tideway_server_stop(tideway_server* server);
tideway_status tideway_server_free(tideway_server* server);

/* --- weight sync: whole versions of a model, bit for bit ------------------------------------------------------------------- */

typedef struct tideway_publisher tideway_publisher;
typedef struct tideway_subscriber tideway_subscriber;
typedef struct tideway_weights tideway_weights;

/* The numbers are permanent. */
typedef enum tideway_weight_type {
  TIDEWAY_FP32 = 1,
  TIDEWAY_BF16 = 2,
  TIDEWAY_FP16 = 3
} tideway_weight_type;

/* One tensor. Where only a model is described, data and data_bytes are not looked at. */
typedef struct tideway_weight {
  const char* name;
  tideway_weight_type type;
  const int64_t* shape;
  size_t rank;
  const void* data; /* dense, row by row; read during the call only */
  size_t data_bytes;
} tideway_weight;

/* Two lives of a publisher have different epochs. */
typedef struct tideway_weight_version {
  uint64_t epoch;   /* 0: none */
  uint64_t version; /* as it was published */
} tideway_weight_version;

typedef struct tideway_publisher_options {
  size_t struct_size;
  const char* const* listen; /* none: "tcp://127.0.0.1:0". Any transport's but auto:// */
  size_t listen_count;
  const char* codec;        /* that knows versions; null: "sparse_lossless" */
  size_t chunk_bytes;       /* encoded at once; 0: the default */
  size_t links_max;         /* differences kept for those who are behind; 0: 64 */
  size_t history_bytes_max; /* of them all; 0: as many as the model has */
  size_t anchors_max;       /* whole versions under way at a time; 0: 2 */
  size_t subscribers_max;   /* 0: 256 */
  uint32_t encode_threads;  /* 0: one per core, at most 8 */
  int64_t silence_max_ms;   /* after which a subscriber is dropped; 0: 30,000 */
} tideway_publisher_options;

typedef struct tideway_publish_report {
  size_t struct_size;
  uint64_t epoch;
  uint64_t version;
  uint64_t bytes;       /* of the difference to the version before; 0 for the first one */
  uint64_t bytes_model; /* of the weights */
  double seconds;       /* that encoding took */
} tideway_publish_report;

typedef struct tideway_subscriber_options {
  size_t struct_size;
  const char* publisher;    /* one address */
  const char* name;         /* in the publisher's statistics; null: a random one */
  size_t copies_max;        /* of the model, with those that the program holds; 0: 3 */
  int64_t ping_interval_ms; /* 0: 5,000 */
  int64_t silence_max_ms;   /* after which it connects anew; 0: 15,000 */
} tideway_subscriber_options;

tideway_status tideway_publisher_start(tideway_runtime* runtime,
                                       const tideway_publisher_options* options,
                                       const tideway_weight* model, size_t weight_count,
                                       tideway_publisher** publisher);
/* As tideway_server_address. */
const char* tideway_publisher_address(const tideway_publisher* publisher, size_t index);
/* `weights`: all tensors of the model, in its order; `version` is above the last one. Encodes once for all subscribers, and waits for
 * none of them. TIDEWAY_INVALID_ARGUMENT names the tensor that is not the model's. */
tideway_status tideway_publisher_publish(tideway_publisher* publisher, uint64_t version,
                                         const tideway_weight* weights, size_t weight_count,
                                         tideway_publish_report* report);
tideway_status tideway_publisher_stats(tideway_publisher* publisher, char** json);
tideway_status tideway_publisher_stop(tideway_publisher* publisher);
tideway_status tideway_publisher_free(tideway_publisher* publisher);

/* Begins to connect, and goes on doing so for as long as it lives. */
tideway_status tideway_subscriber_start(tideway_runtime* runtime,
                                        const tideway_subscriber_options* options,
                                        const tideway_weight* model, size_t weight_count,
                                        tideway_subscriber** subscriber);
/* The version in use, or null where none has come yet. Never half of one version and half of another; it does not change, and stays
 * until it is freed, also after the subscriber. */
tideway_status tideway_subscriber_current(tideway_subscriber* subscriber,
                                          tideway_weights** weights);
/* Waits (by default 60 s at most) until the version in use is another one than `than` (null: any). TIDEWAY_FAILED_PRECONDITION: the
 * publisher has another model, and the message names the tensor. */
tideway_status tideway_subscriber_wait(tideway_subscriber* subscriber,
                                       const tideway_weight_version* than, int64_t timeout_ms,
                                       tideway_weights** weights);
tideway_status tideway_subscriber_stats(tideway_subscriber* subscriber, char** json);
/* Ends every wait with TIDEWAY_CANCELLED, and closes the connection. */
tideway_status tideway_subscriber_close(tideway_subscriber* subscriber);
tideway_status tideway_subscriber_free(tideway_subscriber* subscriber);

/* All zero for null. */
tideway_weight_version tideway_weights_version(const tideway_weights* weights);
/* The tensor at that place of the model, aligned to 64 bytes; null beyond. `bytes`, if not null, is set to its size. */
const void* tideway_weights_tensor(const tideway_weights* weights, size_t index, size_t* bytes);
void tideway_weights_free(tideway_weights* weights);

/* --- reports and metrics: JSON, whose names are those of the C++ structs --------------------------------------------------- */

/* One object per server: which path its data takes, what else there was, and why that was not taken (tideway/transport_report.h).
 * Free all of these by tideway_text_free. */
tideway_status tideway_client_transport_report(tideway_client* client, char** json);
/* The same for people. */
tideway_status tideway_client_transport_text(tideway_client* client, char** text);
/* What server `index` counts, its workers among them (tideway/stats.h); by default waits 10 s at most. */
tideway_status tideway_client_server_stats(tideway_client* client, uint32_t index,
                                           int64_t timeout_ms, char** json);
/* What error feedback holds: {"norm": L2, "density": share of elements that are not zero}. Reads all of it. */
tideway_status tideway_client_residual_stats(tideway_client* client, char** json);
tideway_status tideway_server_stats(tideway_server* server, char** json);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif  // TIDEWAY_BINDINGS_C_TIDEWAY_H_
