/*
 * A block of time steps as the recurrences see it: the steps that count, cut into runs. Masked steps are simply not listed, so no value
 * of theirs, NaN included, touches a state. A run may begin with a reset of the state and end where the caller wants the state.
 */
#ifndef MAMBA360_STEPS_H
#define MAMBA360_STEPS_H

#include "abi.h"

enum { MAX_STEPS = 64 };

typedef struct {
  int begin, end;  /* range in `step` */
  int reset;       /* the state is zero before the run */
  int state_index; /* state after the run is states[state_index], or -1 */
} run_t;

typedef struct {
  int start, length; /* the block covers time [start, start + length) */
  int count, runs;
  int step[MAX_STEPS];
  uint8_t counted[MAX_STEPS];
  run_t run[2 * MAX_STEPS + 1];
} steps_t;

/* Lists steps [start, stop) of one sequence of length L; `control` is the sequence's row or null; state_every = 0: no states. */
static void list_steps(steps_t *steps, const uint8_t *control, int start, int stop, int L, int state_every) {
  int count = 0, runs = 0;
  run_t run = {0, 0, 0, -1};
  for (int t = start; t < stop; t++) {
    int bits = control ? control[t] : 0;
    if (bits & CONTROL_RESET) {
      if (count > run.begin || run.reset) {
        run.end = count;
        steps->run[runs++] = run;
      }
      run = (run_t){count, count, 1, -1};
    }
    steps->counted[t - start] = !(bits & CONTROL_MASKED);
    if (!(bits & CONTROL_MASKED)) steps->step[count++] = t;
    if (state_every && ((t + 1) % state_every == 0 || t + 1 == L)) {
      run.end = count;
      run.state_index = t / state_every;
      steps->run[runs++] = run;
      run = (run_t){count, count, 0, -1};
    }
  }
  if (count > run.begin || run.reset) {
    run.end = count;
    steps->run[runs++] = run;
  }
  steps->start = start;
  steps->length = stop - start;
  steps->count = count;
  steps->runs = runs;
}

#endif
