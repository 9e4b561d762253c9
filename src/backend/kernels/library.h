/* What the kernels stand on: the part of TensorFlow's C API for ops of one's own (its headers are not kept with the library, the interface is
   stable), threads, and arithmetic that compilers turn into vector instructions. */
#pragma once
#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <mutex>
#include <thread>
#include <vector>

extern "C" {
typedef struct TF_Status TF_Status;
typedef struct TF_Tensor TF_Tensor;
typedef struct TF_OpDefinitionBuilder TF_OpDefinitionBuilder;
typedef struct TF_KernelBuilder TF_KernelBuilder;
typedef struct TF_OpKernelConstruction TF_OpKernelConstruction;
typedef struct TF_OpKernelContext TF_OpKernelContext;
typedef struct TF_ShapeInferenceContext TF_ShapeInferenceContext;
TF_Status* TF_NewStatus(void);
void TF_DeleteStatus(TF_Status*);
int TF_GetCode(const TF_Status*);
TF_OpDefinitionBuilder* TF_NewOpDefinitionBuilder(const char* name);
void TF_OpDefinitionBuilderAddInput(TF_OpDefinitionBuilder*, const char* spec);
void TF_OpDefinitionBuilderAddOutput(TF_OpDefinitionBuilder*, const char* spec);
void TF_OpDefinitionBuilderAddAttr(TF_OpDefinitionBuilder*, const char* spec);
void TF_OpDefinitionBuilderSetShapeInferenceFunction(TF_OpDefinitionBuilder*, void (*)(TF_ShapeInferenceContext*, TF_Status*));
void TF_ShapeInferenceContextSetUnknownShape(TF_ShapeInferenceContext*, TF_Status*);
void TF_RegisterOpDefinition(TF_OpDefinitionBuilder*, TF_Status*);
TF_KernelBuilder* TF_NewKernelBuilder(const char* op, const char* device, void* (*create)(TF_OpKernelConstruction*),
                                      void (*compute)(void*, TF_OpKernelContext*), void (*destroy)(void*));
void TF_RegisterKernelBuilder(const char* name, TF_KernelBuilder*, TF_Status*);
void TF_OpKernelConstruction_GetAttrFloat(TF_OpKernelConstruction*, const char* name, float* value, TF_Status*);
void TF_OpKernelConstruction_GetAttrInt32(TF_OpKernelConstruction*, const char* name, int32_t* value, TF_Status*);
void TF_OpKernelConstruction_GetAttrType(TF_OpKernelConstruction*, const char* name, int* value, TF_Status*);
void TF_GetInput(TF_OpKernelContext*, int index, TF_Tensor** tensor, TF_Status*);
TF_Tensor* TF_AllocateOutput(TF_OpKernelContext*, int index, int type, const int64_t* dims, int rank, size_t bytes, TF_Status*);
void TF_OpKernelContext_Failure(TF_OpKernelContext*, TF_Status*);
void TF_SetStatus(TF_Status*, int code, const char* message);
int TF_NumDims(const TF_Tensor*);
int64_t TF_Dim(const TF_Tensor*, int index);
void* TF_TensorData(const TF_Tensor*);
void TF_DeleteTensor(TF_Tensor*);
}

namespace erpo {

enum Type { FLOAT = 1, INT32 = 3, BFLOAT16 = 14 };
using bf16 = uint16_t;

// ---- ops

/** The attributes of an op, read once for each set of values. */
struct Attributes {
  TF_OpKernelConstruction* construction;
  TF_Status* status;
  float number(const char* name) {
    float value = 0;
    TF_OpKernelConstruction_GetAttrFloat(construction, name, &value, status);
    return value;
  }
  int integer(const char* name) {
    int32_t value = 0;
    TF_OpKernelConstruction_GetAttrInt32(construction, name, &value, status);
    return value;
  }
  int type(const char* name) {
    int value = 0;
    TF_OpKernelConstruction_GetAttrType(construction, name, &value, status);
    return value;
  }
};

/** One run of an op: its inputs and outputs. What it has taken from TensorFlow goes when it ends. */
class Call {
 public:
  explicit Call(TF_OpKernelContext* context) : context_(context), status_(TF_NewStatus()) {}
  ~Call() {
    if (TF_GetCode(status_) != 0) TF_OpKernelContext_Failure(context_, status_);
    for (TF_Tensor* tensor : tensors_) TF_DeleteTensor(tensor);
    TF_DeleteStatus(status_);
  }
  TF_Tensor* input(int index) {
    TF_Tensor* tensor = nullptr;
    TF_GetInput(context_, index, &tensor, status_);
    tensors_.push_back(tensor);
    return tensor;
  }
  template <class T = float>
  const T* data(int index) {
    return static_cast<const T*>(TF_TensorData(input(index)));
  }
  template <class T = float>
  T* output(int index, std::initializer_list<int64_t> dims, int type = FLOAT) {
    int64_t size = 1;
    for (int64_t dim : dims) size *= dim;
    TF_Tensor* tensor = TF_AllocateOutput(context_, index, type, dims.begin(), static_cast<int>(dims.size()), size * sizeof(T), status_);
    tensors_.push_back(tensor);
    return static_cast<T*>(TF_TensorData(tensor));
  }
  /** An output of an input's shape. */
  float* like(int index, const TF_Tensor* tensor) {
    std::vector<int64_t> dims;
    for (int i = 0; i < TF_NumDims(tensor); i++) dims.push_back(TF_Dim(tensor, i));
    int64_t size = 1;
    for (int64_t dim : dims) size *= dim;
    TF_Tensor* made =
        TF_AllocateOutput(context_, index, FLOAT, dims.data(), static_cast<int>(dims.size()), size * sizeof(float), status_);
    tensors_.push_back(made);
    return static_cast<float*>(TF_TensorData(made));
  }

 private:
  TF_OpKernelContext* context_;
  TF_Status* status_;
  std::vector<TF_Tensor*> tensors_;
};

inline int64_t size(const TF_Tensor* tensor) {
  int64_t n = 1;
  for (int i = 0; i < TF_NumDims(tensor); i++) n *= TF_Dim(tensor, i);
  return n;
}
inline int64_t width(const TF_Tensor* tensor) { return TF_Dim(tensor, TF_NumDims(tensor) - 1); }
inline const float* floats(const TF_Tensor* tensor) { return static_cast<const float*>(TF_TensorData(tensor)); }

/**
 * Makes an op known to TensorFlow when the library is loaded. `Kernel` is made from `Attributes` and has `void run(Call&)`.
 */
template <class Kernel>
struct Op {
  Op(const char* name, std::initializer_list<const char*> inputs, std::initializer_list<const char*> outputs,
     std::initializer_list<const char*> attributes = {}) {
    TF_Status* status = TF_NewStatus();
    TF_OpDefinitionBuilder* definition = TF_NewOpDefinitionBuilder(name);
    for (const char* spec : attributes) TF_OpDefinitionBuilderAddAttr(definition, spec);
    for (const char* spec : inputs) TF_OpDefinitionBuilderAddInput(definition, spec);
    for (const char* spec : outputs) TF_OpDefinitionBuilderAddOutput(definition, spec);
    TF_OpDefinitionBuilderSetShapeInferenceFunction(definition, TF_ShapeInferenceContextSetUnknownShape);
    TF_RegisterOpDefinition(definition, status);
    if (TF_GetCode(status) == 0) TF_RegisterKernelBuilder(name, TF_NewKernelBuilder(name, "CPU", create, compute, destroy), status);
    TF_DeleteStatus(status);
  }
  static void* create(TF_OpKernelConstruction* construction) {
    TF_Status* status = TF_NewStatus();
    Attributes attributes{construction, status};
    Kernel* kernel = new Kernel(attributes);
    TF_DeleteStatus(status);
    return kernel;
  }
  static void compute(void* kernel, TF_OpKernelContext* context) {
    Call call(context);
    static_cast<Kernel*>(kernel)->run(call);
  }
  static void destroy(void* kernel) { delete static_cast<Kernel*>(kernel); }
};

// ---- threads

/**
 * Runs `work(begin, end)` over [0, rows) on the machine's cores; in this thread alone where that takes no longer than waking the others.
 * @param cost of a row, in floats touched
 */
template <class Work>
void parallel(int64_t rows, int64_t cost, const Work& work);

/** Threads that wait for work, made at first use and kept until the process ends. */
class Pool {
 public:
  static Pool& get() {
    static Pool* pool = new Pool; // never destroyed: its threads may outlive static objects
    return *pool;
  }
  int size() const { return static_cast<int>(workers_) + 1; }
  /** Calls job(share) for share 0 .. size() - 1, one of them here, and waits for all. */
  void run(void (*job)(void*, int), void* argument) {
    std::lock_guard<std::mutex> only(busy_);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      job_ = job, argument_ = argument, left_ = workers_, ++round_;
    }
    wake_.notify_all();
    job(argument, 0);
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return left_ == 0; });
  }

 private:
  Pool() : workers_(std::max(1u, std::thread::hardware_concurrency()) - 1) {
    for (unsigned i = 0; i < workers_; i++) std::thread([this, i] { serve(static_cast<int>(i) + 1); }).detach();
  }
  void serve(int share) {
    uint64_t seen = 0;
    for (;;) {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return round_ != seen; });
      seen = round_;
      auto* job = job_;
      void* argument = argument_;
      lock.unlock();
      job(argument, share);
      lock.lock();
      if (--left_ == 0) done_.notify_one();
    }
  }
  const unsigned workers_;
  std::mutex busy_, mutex_;
  std::condition_variable wake_, done_;
  void (*job_)(void*, int) = nullptr;
  void* argument_ = nullptr;
  unsigned left_ = 0;
  uint64_t round_ = 0;
};

template <class Work>
void parallel(int64_t rows, int64_t cost, const Work& work) {
  if (rows * cost < 200000 || rows < 2) return work(int64_t{0}, rows);
  struct Shared {
    const Work& work;
    int64_t rows, shares;
  } shared{work, rows, Pool::get().size()};
  Pool::get().run(
      [](void* argument, int share) {
        const Shared& s = *static_cast<Shared*>(argument);
        const int64_t begin = s.rows * share / s.shares, end = s.rows * (share + 1) / s.shares;
        if (begin < end) s.work(begin, end);
      },
      &shared);
}

// ---- numbers

inline float bits(uint32_t u) {
  float f;
  std::memcpy(&f, &u, 4);
  return f;
}
inline float widen(bf16 half) { return bits(static_cast<uint32_t>(half) << 16); }
/** To the nearest BF16, ties to even; NaN is not kept, infinities are. */
inline bf16 narrow(float f) {
  uint32_t u;
  std::memcpy(&u, &f, 4);
  return static_cast<bf16>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}
/** e^x within 2 units in the last place: 2^n e^r with |r| <= ln(2) / 2, and e^r by Cephes' polynomial (Moshier 1989). */
inline float exponential(float x) {
  x = std::min(88.3762626647949f, std::max(-87.3365447505531f, x));
  const float n = __builtin_floorf(x * 1.44269504088896341f + 0.5f);
  const float r = x - n * 0.693359375f + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return (p * r * r + r + 1.0f) * bits(static_cast<uint32_t>((static_cast<int32_t>(n) + 127) << 23));
}
/** The largest of n numbers, n >= 1. */
inline float largest(const float* x, int64_t n) {
  float most = x[0];
#pragma omp simd reduction(max : most)
  for (int64_t i = 0; i < n; i++) most = std::max(most, x[i]);
  return most;
}
inline float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }
/** y = the D numbers of a head turned by its position's angles, times `scale`; `sign` -1 turns back. */
inline void turn(float* y, const float* x, const float* cos, const float* sin, int64_t half, float scale, float sign) {
#pragma omp simd
  for (int64_t i = 0; i < half; i++) {
    const float a = x[i], b = x[i + half], c = cos[i] * scale, s = sin[i] * scale * sign;
    y[i] = a * c - b * s;
    y[i + half] = b * c + a * s;
  }
}

}  // namespace erpo
