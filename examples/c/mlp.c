/* A small multilayer perceptron in plain C99, trained asynchronously by two workers and a server in one process.
 *
 * The task: two spirals that wind around each other; the network says on which of them a point lies. Each worker has half of the
 * points, takes 10 inner steps of SGD with momentum at a time, and exchanges what it learned with the server: it waits for nobody.
 *
 *     mlp [steps per worker]
 *
 * What makes a loop that exists asynchronous are the lines marked with "sync". In real life the server and the workers are on
 * machines of their own, and only the address between them changes. */

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tideway.h"

enum { kInputs = 2, kHidden = 32, kPoints = 400, kBatch = 20, kWorkers = 2 };

/* --- the model and its data: nothing of Tideway ---------------------------------------------------------------------- */

typedef struct model {
  float w1[kHidden][kInputs];
  float b1[kHidden];
  float w2[kHidden][kHidden];
  float b2[kHidden];
  float w3[kHidden];
  float b3[1];
} model;

typedef struct point {
  float x[kInputs];
  float label; /* 0 or 1 */
} point;

/* The same numbers on every machine, in [0, 1). */
static float random_number(uint64_t* state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (float)(*state >> 40) / (float)(1 << 24);
}

static void make_spirals(point* points) {
  uint64_t random = 1;
  for (int i = 0; i < kPoints; ++i) {
    const float along = (float)(i / 2) / (float)(kPoints / 2);
    const float angle = 6.0f * along + (i % 2 == 0 ? 0.0f : 3.14159265f);
    const float radius = 0.2f + 1.8f * along + 0.05f * random_number(&random);
    points[i].x[0] = radius * cosf(angle);
    points[i].x[1] = radius * sinf(angle);
    points[i].label = (float)(i % 2);
  }
}

static void begin(model* m) {
  uint64_t random = 7;
  float* const values = (float*)m;
  for (size_t i = 0; i < sizeof *m / sizeof(float); ++i) values[i] = 0.0f;
  for (int i = 0; i < kHidden; ++i) {
    for (int j = 0; j < kInputs; ++j) m->w1[i][j] = 2.0f * (random_number(&random) - 0.5f);
    for (int j = 0; j < kHidden; ++j) m->w2[i][j] = 0.6f * (random_number(&random) - 0.5f);
    m->w3[i] = 0.6f * (random_number(&random) - 0.5f);
  }
}

/* The chance that the point has label 1, and what the two hidden layers say. */
static float forward(const model* m, const float* x, float* h1, float* h2) {
  float out = m->b3[0];
  for (int i = 0; i < kHidden; ++i) {
    h1[i] = tanhf(m->w1[i][0] * x[0] + m->w1[i][1] * x[1] + m->b1[i]);
  }
  for (int i = 0; i < kHidden; ++i) {
    float sum = m->b2[i];
    for (int j = 0; j < kHidden; ++j) sum += m->w2[i][j] * h1[j];
    h2[i] = tanhf(sum);
    out += m->w3[i] * h2[i];
  }
  return 1.0f / (1.0f + expf(-out));
}

/* Adds the gradient of the cross-entropy of one point. Returns its loss. */
static float backward(const model* m, const point* p, model* gradient) {
  float h1[kHidden];
  float h2[kHidden];
  float back1[kHidden] = {0};
  const float chance = forward(m, p->x, h1, h2);
  const float error = chance - p->label;
  gradient->b3[0] += error;
  for (int i = 0; i < kHidden; ++i) {
    const float back2 = error * m->w3[i] * (1.0f - h2[i] * h2[i]);
    gradient->w3[i] += error * h2[i];
    gradient->b2[i] += back2;
    for (int j = 0; j < kHidden; ++j) {
      gradient->w2[i][j] += back2 * h1[j];
      back1[j] += back2 * m->w2[i][j];
    }
  }
  for (int j = 0; j < kHidden; ++j) {
    const float back = back1[j] * (1.0f - h1[j] * h1[j]);
    gradient->b1[j] += back;
    gradient->w1[j][0] += back * p->x[0];
    gradient->w1[j][1] += back * p->x[1];
  }
  return -logf(p->label > 0.5f ? chance + 1e-7f : 1.0f - chance + 1e-7f);
}

/* One step of SGD with momentum on a batch of points `first`, `first` + 2, ...: those of one worker. Returns the mean loss. */
static float train_step(model* m, model* momentum, const point* points, int worker,
                        uint64_t* random) {
  model gradient;
  float loss = 0.0f;
  memset(&gradient, 0, sizeof gradient);
  for (int i = 0; i < kBatch; ++i) {
    const int half = (int)(random_number(random) * (float)(kPoints / kWorkers));
    const int pair = half / 2 * 2 * kWorkers + 2 * worker + half % 2; /* both labels in each half */
    loss += backward(m, &points[pair], &gradient) / (float)kBatch;
  }
  float* const theta = (float*)m;
  float* const velocity = (float*)momentum;
  const float* const g = (const float*)&gradient;
  for (size_t i = 0; i < sizeof *m / sizeof(float); ++i) {
    velocity[i] = 0.9f * velocity[i] + g[i] / (float)kBatch;
    theta[i] -= 0.05f * velocity[i];
  }
  return loss;
}

static float accuracy(const model* m, const point* points) {
  float h1[kHidden];
  float h2[kHidden];
  int right = 0;
  for (int i = 0; i < kPoints; ++i) {
    right += (forward(m, points[i].x, h1, h2) > 0.5f) == (points[i].label > 0.5f);
  }
  return (float)right / (float)kPoints;
}

/* --- Tideway -------------------------------------------------------------------------------------------------------------- */

/* The model's tensors: the same list gives the server its layout and the worker its parameters. */
enum { kTensors = 6 };
static const int64_t kShapes[kTensors][2] = {{kHidden, kInputs}, {kHidden}, {kHidden, kHidden},
                                             {kHidden},          {kHidden}, {1}};
static const tideway_tensor kModel[kTensors] = {{"w1", kShapes[0], 2}, {"b1", kShapes[1], 1},
                                                {"w2", kShapes[2], 2}, {"b2", kShapes[3], 1},
                                                {"w3", kShapes[4], 1}, {"b3", kShapes[5], 1}};

static void check(tideway_status status, const char* what) {
  if (status == TIDEWAY_OK) return;
  fprintf(stderr, "%s: %s: %s\n", what, tideway_status_name(status), tideway_last_message());
  exit(1);
}

typedef struct worker {
  tideway_runtime* runtime;
  const char* server;
  const point* points;
  int index;
  int steps;
  float loss; /* smoothed, at the end */
} worker;

static void* work(void* argument) {
  worker* const self = argument;
  model m;
  model momentum;
  memset(&momentum, 0, sizeof momentum);
  float* const tensors[kTensors] = {m.w1[0], m.b1, m.w2[0], m.b2, m.w3, m.b3};
  const size_t bytes[kTensors] = {sizeof m.w1, sizeof m.b1, sizeof m.w2,
                                  sizeof m.b2, sizeof m.w3, sizeof m.b3};
  tideway_parameter parameters[kTensors];
  for (int i = 0; i < kTensors; ++i) {
    const tideway_parameter parameter = {kModel[i].name, kModel[i].shape, kModel[i].rank,
                                         tensors[i], bytes[i]};
    parameters[i] = parameter;
  }
  char name[32];
  snprintf(name, sizeof name, "worker-%d", self->index);
  const tideway_client_options client = {.struct_size = sizeof client,
                                         .servers = &self->server,
                                         .server_count = 1,
                                         .worker = name,
                                         .codec_up = "int8:block=64"};
  tideway_local_sgd* sync = NULL; /* sync: from here on m holds the server's parameters */
  check(tideway_local_sgd_join(self->runtime, &client, NULL, parameters, kTensors, &sync), "join");
  uint64_t random = 1000 + (uint64_t)self->index;
  self->loss = 1.0f;
  for (int step = 0; step < self->steps; ++step) {
    const float loss = train_step(&m, &momentum, self->points, self->index, &random);
    self->loss = 0.99f * self->loss + 0.01f * loss;
    check(tideway_local_sgd_step(sync, (double)loss, kBatch, NULL, NULL, NULL), "step"); /* sync */
  }
  check(tideway_local_sgd_free(sync), "leave"); /* sync */
  return NULL;
}

int main(int argc, char** argv) {
  static point points[kPoints];
  static model initial;
  static model learned;
  const int steps = argc > 1 ? atoi(argv[1]) : 4000;
  make_spirals(points);
  begin(&initial);

  tideway_runtime* runtime = NULL;
  tideway_layout* layout = NULL;
  tideway_server* server = NULL;
  const tideway_server_options options = {.struct_size = sizeof options,
                                          .outer_optimizer = "sgd:lr=0.5",
                                          .inner_steps = 10,
                                          .workers_to_begin = kWorkers};
  check(tideway_runtime_create(TIDEWAY_ABI_VERSION, NULL, &runtime), "runtime");
  check(tideway_layout_create(kModel, kTensors, NULL, &layout), "layout");
  check(tideway_server_start(runtime, &options, layout, (const float*)&initial, sizeof initial,
                             &server),
        "server");

  worker workers[kWorkers];
  pthread_t threads[kWorkers];
  for (int i = 0; i < kWorkers; ++i) {
    const worker w = {runtime, tideway_server_address(server, 0), points, i, steps, 0.0f};
    workers[i] = w;
    if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0) return 1;
  }
  for (int i = 0; i < kWorkers; ++i) pthread_join(threads[i], NULL);

  check(tideway_server_read(server, (float*)&learned, sizeof learned), "read");
  printf("before: %.1f %% of the points right\n", 100.0 * (double)accuracy(&initial, points));
  printf("after:  %.1f %%, %d workers, %d steps each, loss %.4f and %.4f\n",
         100.0 * (double)accuracy(&learned, points), kWorkers, steps, (double)workers[0].loss,
         (double)workers[1].loss);
  const int learned_it = accuracy(&learned, points) >= 0.97f;
  check(tideway_server_free(server), "server");
  tideway_layout_free(layout);
  check(tideway_runtime_free(runtime), "runtime");
  return learned_it ? 0 : 1;
}
