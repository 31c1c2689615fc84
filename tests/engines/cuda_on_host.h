// The words of CUDA that the kernels use, for a C++ compiler of the host: one block after the other, its threads as
// fibers that take turns at every barrier and every shuffle. Between two of those a thread runs undisturbed, in the
// order of the threads or in the opposite one: a missing barrier shows as a difference between the two orders.
#include <ucontext.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#define __global__
#define __device__ static inline
#define __shared__ static
#define __restrict__ __restrict
#define __launch_bounds__(threads)

struct Dimensions { unsigned x; };
static Dimensions threadIdx, blockIdx, blockDim;

namespace host {
struct Fiber {
    ucontext_t context;
    std::vector<char> stack;
    bool finished = false;
    int waits = 0;  // 1 at a barrier, 2 at a shuffle
};
static ucontext_t scheduler;
static std::vector<Fiber> fibers;
static std::vector<double> exchanged;
static std::function<void()> kernel;

static void entry()
{
    kernel();
    fibers[threadIdx.x].finished = true;
    fibers[threadIdx.x].waits = 0;
    swapcontext(&fibers[threadIdx.x].context, &scheduler);
}

static void wait(int why)
{
    const unsigned self = threadIdx.x;
    fibers[self].waits = why;
    swapcontext(&fibers[self].context, &scheduler);
    threadIdx.x = self;
}

static void run_block(unsigned threads, bool backwards)
{
    fibers.assign(threads, Fiber());
    exchanged.assign(threads, 0.0);
    for (unsigned t = 0; t < threads; ++t) {
        fibers[t].stack.resize(1 << 18);
        getcontext(&fibers[t].context);
        fibers[t].context.uc_stack.ss_sp = fibers[t].stack.data();
        fibers[t].context.uc_stack.ss_size = fibers[t].stack.size();
        makecontext(&fibers[t].context, entry, 0);
    }
    for (unsigned left = threads; left > 0;) {
        left = 0;
        for (unsigned k = 0; k < threads; ++k) {
            const unsigned t = backwards ? threads - 1 - k : k;
            if (fibers[t].finished) continue;
            threadIdx.x = t;
            swapcontext(&scheduler, &fibers[t].context);
            left += !fibers[t].finished;
        }
        // All threads of a block must come to the same barrier: on a device anything else hangs.
        for (unsigned t = 1; t < threads; ++t)
            if (fibers[t].waits != fibers[0].waits) {
                std::fprintf(stderr, "thread %u left thread 0 alone at a barrier\n", t);
                std::abort();
            }
    }
}

static void run_grid(long long blocks, unsigned threads, bool backwards, std::function<void()> body, bool fibered)
{
    kernel = body;
    blockDim.x = threads;
    for (long long b = 0; b < blocks; ++b) {
        blockIdx.x = unsigned(b);
        if (fibered) {
            run_block(threads, backwards);
        } else {
            for (unsigned t = 0; t < threads; ++t) {
                threadIdx.x = backwards ? threads - 1 - t : t;
                body();
            }
        }
    }
}
}  // namespace host

static inline void __syncthreads() { host::wait(1); }

template <class T> static inline T __shfl_xor_sync(unsigned, T x, int offset)
{
    host::exchanged[threadIdx.x] = double(x);
    host::wait(2);
    const T other = T(host::exchanged[threadIdx.x ^ unsigned(offset)]);
    host::wait(2);
    return other;
}

static inline int __double2hiint(double x) { long long b; std::memcpy(&b, &x, 8); return int(b >> 32); }
static inline int __double2loint(double x) { long long b; std::memcpy(&b, &x, 8); return int(b); }
static inline double __hiloint2double(int high, int low)
{
    const unsigned long long b = (static_cast<unsigned long long>(unsigned(high)) << 32) | unsigned(low);
    double x;
    std::memcpy(&x, &b, 8);
    return x;
}
static inline int __float_as_int(float x) { int b; std::memcpy(&b, &x, 4); return b; }
static inline float __int_as_float(int b) { float x; std::memcpy(&x, &b, 4); return x; }

using std::acos; using std::asin; using std::atan; using std::cos; using std::erf; using std::exp; using std::fabs;
using std::fmax; using std::fmin; using std::log; using std::pow; using std::sin; using std::sqrt; using std::tan;
using std::tanh;
