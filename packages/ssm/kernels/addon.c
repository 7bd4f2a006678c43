/*
 * The Node-API addon: finds the buffers of a call, allocates what its plan asks for, and runs its tasks on a small thread pool whose
 * threads sleep on a condition variable. The kernels themselves are compiled once per instruction set; see kernels.c.
 */
#include <node_api.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "abi.h"

typedef int (*plan_function)(int, const call_t *, plan_t *);
typedef void (*run_function)(int, int, int, int, const call_t *, void *, void *);
typedef struct {
  const char *name;
  plan_function plan;
  run_function run;
} level_t;

#define DECLARE_LEVEL(suffix)                                          \
  int mamba360_plan_##suffix(int, const call_t *, plan_t *);           \
  void mamba360_run_##suffix(int, int, int, int, const call_t *, void *, void *);

#if defined(__x86_64__)
DECLARE_LEVEL(v2)
DECLARE_LEVEL(v3)
DECLARE_LEVEL(v4)
static int supported_levels(level_t *levels) {
  int count = 0;
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512vl"))
    levels[count++] = (level_t){"avx512", mamba360_plan_v4, mamba360_run_v4};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
    levels[count++] = (level_t){"avx2", mamba360_plan_v3, mamba360_run_v3};
  if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt"))
    levels[count++] = (level_t){"sse4.2", mamba360_plan_v2, mamba360_run_v2};
  return count;
}
#else
DECLARE_LEVEL(base)
static int supported_levels(level_t *levels) {
#if defined(__aarch64__)
  levels[0] = (level_t){"neon", mamba360_plan_base, mamba360_run_base};
#else
  levels[0] = (level_t){"base", mamba360_plan_base, mamba360_run_base};
#endif
  return 1;
}
#endif

enum { MAX_LEVELS = 4, MAX_THREADS = 64 };
static const size_t KEPT_BYTES = (size_t)64 << 20; /* a larger block is returned after the call */

typedef struct {
  run_function run;
  int kernel, phase, tasks;
  const call_t *call;
  char *workspace, *scratch;
  size_t scratch_stride;
  atomic_int next;
} job_t;

typedef struct pool pool_t;
typedef struct {
  pool_t *pool;
  int index;
  pthread_t thread;
} worker_t;

struct pool {
  pthread_mutex_t lock;
  pthread_cond_t wake, done;
  unsigned generation;
  int wanted, pending, stopping, workers; /* wanted: how many workers take part in the current job */
  worker_t worker[MAX_THREADS];
  job_t job;
  level_t levels[MAX_LEVELS];
  int level_count;
  char *block;
  size_t block_bytes;
};

/* Takes tasks one by one until none is left. Which thread runs a task changes no result. */
static void work(job_t *job, int thread) {
  for (;;) {
    int task = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed);
    if (task >= job->tasks) return;
    job->run(job->kernel, job->phase, task, task + 1, job->call, job->workspace, job->scratch + (size_t)thread * job->scratch_stride);
  }
}

static void *worker_main(void *argument) {
  worker_t *worker = argument;
  pool_t *pool = worker->pool;
  unsigned seen = 0;
  pthread_mutex_lock(&pool->lock);
  for (;;) {
    while (pool->generation == seen && !pool->stopping) pthread_cond_wait(&pool->wake, &pool->lock);
    if (pool->stopping) break;
    seen = pool->generation;
    if (worker->index > pool->wanted) continue;
    pthread_mutex_unlock(&pool->lock);
    work(&pool->job, worker->index);
    pthread_mutex_lock(&pool->lock);
    if (--pool->pending == 0) pthread_cond_signal(&pool->done);
  }
  pthread_mutex_unlock(&pool->lock);
  return 0;
}

/* Starts workers until there are `count`; returns how many there are. The calling thread works too, as thread 0. */
static int start_workers(pool_t *pool, int count) {
  if (count > MAX_THREADS - 1) count = MAX_THREADS - 1;
  while (pool->workers < count) {
    worker_t *worker = &pool->worker[pool->workers];
    worker->pool = pool;
    worker->index = pool->workers + 1;
    if (pthread_create(&worker->thread, 0, worker_main, worker)) break;
    pool->workers++;
  }
  return pool->workers;
}

static void run_phase(pool_t *pool, int threads) {
  int helpers = threads - 1 < pool->workers ? threads - 1 : pool->workers;
  if (helpers > pool->job.tasks - 1) helpers = pool->job.tasks - 1;
  atomic_store(&pool->job.next, 0);
  if (helpers <= 0) {
    work(&pool->job, 0);
    return;
  }
  pthread_mutex_lock(&pool->lock);
  pool->wanted = pool->pending = helpers;
  pool->generation++;
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->lock);
  work(&pool->job, 0);
  pthread_mutex_lock(&pool->lock);
  while (pool->pending) pthread_cond_wait(&pool->done, &pool->lock);
  pthread_mutex_unlock(&pool->lock);
}

static napi_value fail(napi_env env, const char *code, const char *message) {
  napi_throw_error(env, code, message);
  return 0;
}

/* Data pointers of a JS array of typed arrays and nulls; returns 0 where an element is neither. */
static int read_buffers(napi_env env, napi_value array, void **target, uint32_t most) {
  uint32_t count;
  if (napi_get_array_length(env, array, &count) != napi_ok || count > most) return 0;
  for (uint32_t i = 0; i < count; i++) {
    napi_value element;
    napi_valuetype type;
    napi_get_element(env, array, i, &element);
    napi_typeof(env, element, &type);
    target[i] = 0;
    if (type == napi_null || type == napi_undefined) continue;
    napi_typedarray_type kind;
    size_t length;
    if (napi_get_typedarray_info(env, element, &kind, &length, &target[i], 0, 0) != napi_ok) return 0;
  }
  return 1;
}

static int read_numbers(napi_env env, napi_value array, double *target, uint32_t most) {
  uint32_t count;
  if (napi_get_array_length(env, array, &count) != napi_ok || count > most) return 0;
  for (uint32_t i = 0; i < count; i++) {
    napi_value element;
    napi_get_element(env, array, i, &element);
    if (napi_get_value_double(env, element, &target[i]) != napi_ok) return 0;
  }
  return 1;
}

/* run(kernel, inputs, outputs, integers, scalars, threads, level): bytes of workspace and scratch, or -1 when there is no task. */
static napi_value run(napi_env env, napi_callback_info info) {
  size_t count = 7;
  napi_value arguments[7], result;
  pool_t *pool;
  napi_get_cb_info(env, info, &count, arguments, 0, (void **)&pool);
  int32_t kernel, threads, level;
  double integers[MAX_INTEGERS] = {0};
  call_t call;
  memset(&call, 0, sizeof call);
  if (count != 7 || napi_get_value_int32(env, arguments[0], &kernel) != napi_ok || napi_get_value_int32(env, arguments[5], &threads) != napi_ok ||
      napi_get_value_int32(env, arguments[6], &level) != napi_ok || level < 0 || level >= pool->level_count ||
      !read_buffers(env, arguments[1], (void **)call.in, MAX_INPUTS) || !read_buffers(env, arguments[2], call.out, MAX_OUTPUTS) ||
      !read_numbers(env, arguments[3], integers, MAX_INTEGERS) || !read_numbers(env, arguments[4], call.scalars, MAX_SCALARS))
    return fail(env, "kernel", "the addon got arguments of the wrong kind");
  for (int i = 0; i < MAX_INTEGERS; i++) call.integers[i] = (int32_t)integers[i];

  const level_t *set = &pool->levels[level];
  plan_t plan;
  if (set->plan(kernel, &call, &plan)) return fail(env, "kernel", "the addon does not know this kernel; build it again");
  double bytes = -1;
  if (plan.phases && plan.tasks[0]) {
    if (threads < 1) threads = 1;
    if (threads > pool->workers + 1) threads = pool->workers + 1;
    size_t workspace = ((size_t)plan.workspaceBytes + 63) & ~(size_t)63, scratch = ((size_t)plan.scratchBytes + 4095) & ~(size_t)4095;
    size_t needed = workspace + scratch * (size_t)threads;
    bytes = (double)needed;
    if (needed > pool->block_bytes) {
      free(pool->block);
      pool->block = 0;
      pool->block_bytes = 0;
      void *block;
      if (posix_memalign(&block, ALIGNMENT, needed)) return fail(env, "memory", "the system has not enough memory for the kernel's workspace");
      pool->block = block;
      pool->block_bytes = needed;
    }
    pool->job.run = set->run;
    pool->job.kernel = kernel;
    pool->job.call = &call;
    pool->job.workspace = pool->block;
    pool->job.scratch = pool->block + workspace;
    pool->job.scratch_stride = scratch;
    for (int phase = 0; phase < plan.phases; phase++) {
      pool->job.phase = phase;
      pool->job.tasks = plan.tasks[phase];
      run_phase(pool, threads);
    }
    if (pool->block_bytes > KEPT_BYTES) {
      free(pool->block);
      pool->block = 0;
      pool->block_bytes = 0;
    }
  }
  napi_create_double(env, bytes, &result);
  return result;
}

/* start(threads): starts the pool for that many threads, the caller included; returns how many there are. */
static napi_value start(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value arguments[1], result;
  pool_t *pool;
  int32_t threads = 1;
  napi_get_cb_info(env, info, &count, arguments, 0, (void **)&pool);
  napi_get_value_int32(env, arguments[0], &threads);
  napi_create_int32(env, 1 + start_workers(pool, threads - 1), &result);
  return result;
}

/*
 * keepMemory(): has the process keep freed blocks for its next arrays, where the C library lets itself be told so; returns whether it does.
 * Arrays of a few MB are otherwise given back to the system with every garbage collection, and every page of the next one is a fault:
 * under virtualisation that was measured to cost four times the scan that fills it.
 */
static napi_value keep_memory(napi_env env, napi_callback_info info) {
  napi_value result;
  int kept = 0;
  (void)info;
#if defined(__GLIBC__)
  enum { LARGEST_FROM_HEAP = 32 << 20, KEPT_AT_TOP = 1 << 30, GROW_BY = 16 << 20 }; /* the first is glibc's own limit */
  kept = mallopt(M_MMAP_THRESHOLD, LARGEST_FROM_HEAP) && mallopt(M_TRIM_THRESHOLD, KEPT_AT_TOP) && mallopt(M_TOP_PAD, GROW_BY);
#endif
  napi_get_boolean(env, kept, &result);
  return result;
}

static void stop_pool(void *argument) {
  pool_t *pool = argument;
  pthread_mutex_lock(&pool->lock);
  pool->stopping = 1;
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->lock);
  for (int i = 0; i < pool->workers; i++) pthread_join(pool->worker[i].thread, 0);
  free(pool->block);
  free(pool);
}

NAPI_MODULE_INIT() {
  pool_t *pool = calloc(1, sizeof(pool_t));
  if (!pool) return fail(env, "memory", "no memory for the kernels' thread pool");
  pthread_mutex_init(&pool->lock, 0);
  pthread_cond_init(&pool->wake, 0);
  pthread_cond_init(&pool->done, 0);
  pool->level_count = supported_levels(pool->levels);
  napi_add_env_cleanup_hook(env, stop_pool, pool);
  napi_value function, names;
  napi_create_function(env, "run", NAPI_AUTO_LENGTH, run, pool, &function);
  napi_set_named_property(env, exports, "run", function);
  napi_create_function(env, "start", NAPI_AUTO_LENGTH, start, pool, &function);
  napi_set_named_property(env, exports, "start", function);
  napi_create_function(env, "keepMemory", NAPI_AUTO_LENGTH, keep_memory, 0, &function);
  napi_set_named_property(env, exports, "keepMemory", function);
  /* levels: instruction sets this processor has, best first; their index is the last argument of run. */
  napi_create_array(env, &names);
  for (int i = 0; i < pool->level_count; i++) {
    napi_value name;
    napi_create_string_utf8(env, pool->levels[i].name, NAPI_AUTO_LENGTH, &name);
    napi_set_element(env, names, i, name);
  }
  napi_set_named_property(env, exports, "levels", names);
  return exports;
}
