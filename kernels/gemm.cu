#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <ostream>
#include <tuple>

#include "kernels/cuda/cublas_lt.h"
#include "kernels/cuda/dispatch.h"
#include "kernels/device/mirror.cuh"
#include "kernels/gemm.h"

namespace palimpsest {
namespace {

constexpr size_t kWorkspaceBytes = size_t{32} << 20;

void* Workspace() {
  static void* const workspace = [] {
    void* made = nullptr;
    PALIMPSEST_CUDA_CHECK(cudaMalloc(&made, kWorkspaceBytes));
    return made;
  }();
  return workspace;
}

cudaDataType_t TypeOf(DType dtype) {
  return dtype == DType::kF64 ? CUDA_R_64F : dtype == DType::kF32 ? CUDA_R_32F : CUDA_R_16BF;
}

// A matrix in memory, by the rows as they lie there: to cuBLASLt, which counts by columns, the
// transpose.
struct Stored {
  int64_t rows, cols, ld, stride;
  DType dtype;
};

// One strided batch of products, and everything that decides how it is computed.
struct Problem {
  Stored a, b, c;
  bool trans_a, trans_b;
  bool adds, tf32;
  int64_t batch;
  int64_t alignment[4];  // Bytes that divide the addresses of a, b, what is added, and c.

  auto Key() const {
    const auto of = [](const Stored& x) {
      return std::array<int64_t, 5>{x.rows, x.cols, x.ld, x.stride, static_cast<int64_t>(x.dtype)};
    };
    return std::tuple(of(a), of(b), of(c), trans_a, trans_b, adds, tf32, batch,
                      std::to_array(alignment));
  }
};

std::ostream& operator<<(std::ostream& os, const Stored& x) {
  return os << x.dtype << " [" << x.rows << "," << x.cols << "] ld " << x.ld;
}
std::ostream& operator<<(std::ostream& os, const Problem& p) {
  return os << p.batch << " products of a " << p.a << (p.trans_a ? " transposed" : "") << " and b "
            << p.b << (p.trans_b ? " transposed" : "") << " to " << p.c
            << (p.tf32 ? " in TF32" : "");
}

class Layout {
 public:
  Layout(const Stored& x, int64_t batch) {
    const CublasLt& lt = CublasLt::Get();
    const int64_t ld = x.rows == 1 ? std::max(x.ld, x.cols) : x.ld;  // Of one row it means nothing.
    PALIMPSEST_CUBLASLT_CHECK(lt.MatrixLayoutCreate(&layout_, TypeOf(x.dtype), x.cols, x.rows, ld));
    const auto count = static_cast<int32_t>(batch);
    Set(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, count);
    Set(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, x.stride);
  }
  ~Layout() { CublasLt::Get().MatrixLayoutDestroy(layout_); }
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;
  cublasLtMatrixLayout_t get() const { return layout_; }

 private:
  template <typename T>
  void Set(cublasLtMatrixLayoutAttribute_t name, const T& value) {
    const CublasLt& lt = CublasLt::Get();
    PALIMPSEST_CUBLASLT_CHECK(lt.MatrixLayoutSetAttribute(layout_, name, &value, sizeof(value)));
  }
  cublasLtMatrixLayout_t layout_ = nullptr;
};

cublasComputeType_t ComputeType(const Problem& p) {
  if (p.a.dtype == DType::kF64) return CUBLAS_COMPUTE_64F;
  return p.tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

// How cuBLASLt computes c^T = op(b)^T op(a)^T + add^T; the algorithm is chosen once for a problem,
// so that reruns give the same bits.
class Plan {
 public:
  explicit Plan(const Problem& p)
      : problem_(p), a_(p.a, p.batch), b_(p.b, p.batch), c_(p.c, p.batch) {
    const CublasLt& lt = CublasLt::Get();
    const cudaDataType_t scale = p.a.dtype == DType::kF64 ? CUDA_R_64F : CUDA_R_32F;
    PALIMPSEST_CUBLASLT_CHECK(lt.MatmulDescCreate(&desc_, ComputeType(p), scale));
    Set(CUBLASLT_MATMUL_DESC_TRANSA, p.trans_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    Set(CUBLASLT_MATMUL_DESC_TRANSB, p.trans_a ? CUBLAS_OP_T : CUBLAS_OP_N);
    Choose(p);
  }
  ~Plan() { CublasLt::Get().MatmulDescDestroy(desc_); }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  template <typename Scale>
  void Run(const void* a, const void* b, const void* add, void* c) const {
    const Scale one = 1, beta = add != nullptr ? 1 : 0;
    const CublasLt& lt = CublasLt::Get();
    const cublasStatus_t status = lt.Matmul(
        CublasLt::Handle(), desc_, &one, b, b_.get(), a, a_.get(), &beta, add != nullptr ? add : c,
        c_.get(), c, c_.get(), &algorithm_, Workspace(), kWorkspaceBytes, CudaStream());
    PALIMPSEST_CHECK(status == CUBLAS_STATUS_SUCCESS)
        << "cuBLASLt: " << lt.GetStatusString(status) << " for " << problem_;
  }

 private:
  template <typename T>
  void Set(cublasLtMatmulDescAttributes_t name, const T& value) {
    const CublasLt& lt = CublasLt::Get();
    PALIMPSEST_CUBLASLT_CHECK(lt.MatmulDescSetAttribute(desc_, name, &value, sizeof(value)));
  }

  void Choose(const Problem& p) {
    const CublasLt& lt = CublasLt::Get();
    cublasLtMatmulPreference_t preference = nullptr;
    PALIMPSEST_CUBLASLT_CHECK(lt.MatmulPreferenceCreate(&preference));
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t name, const auto& value) {
      PALIMPSEST_CUBLASLT_CHECK(
          lt.MatmulPreferenceSetAttribute(preference, name, &value, sizeof(value)));
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceBytes);
    // Sums of parts in a fixed order only.
    prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
           static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_NONE |
                                 CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
    const auto alignment = [&](int i) { return static_cast<uint32_t>(p.alignment[i]); };
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment(1));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment(0));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment(2));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment(3));
    cublasLtMatmulHeuristicResult_t result = {};
    int found = 0;
    const cublasStatus_t status =
        lt.MatmulAlgoGetHeuristic(CublasLt::Handle(), desc_, b_.get(), a_.get(), c_.get(), c_.get(),
                                  preference, 1, &result, &found);
    lt.MatmulPreferenceDestroy(preference);
    PALIMPSEST_CHECK(status == CUBLAS_STATUS_SUCCESS && found > 0 &&
                     result.state == CUBLAS_STATUS_SUCCESS)
        << "cuBLASLt has no algorithm (" << lt.GetStatusString(status) << ") for " << p;
    algorithm_ = result.algo;
  }

  Problem problem_;
  Layout a_, b_, c_;
  cublasLtMatmulDesc_t desc_ = nullptr;
  cublasLtMatmulAlgo_t algorithm_ = {};
};

const Plan& PlanFor(const Problem& problem) {
  static std::mutex mutex;
  static auto* plans = new std::map<decltype(problem.Key()), std::unique_ptr<Plan>>;
  const std::lock_guard lock(mutex);
  std::unique_ptr<Plan>& plan = (*plans)[problem.Key()];
  if (plan == nullptr) plan = std::make_unique<Plan>(problem);
  return *plan;
}

// The largest power of two, up to 256, that divides x.
int64_t PowerOfTwoIn(uint64_t x) {
  return static_cast<int64_t>(std::min<uint64_t>(x & (~x + 1), 256));
}

template <typename Pointer>
int64_t AlignmentOf(Pointer data, int64_t stride, DType dtype) {
  const uint64_t bits =
      reinterpret_cast<uint64_t>(data) | static_cast<uint64_t>(stride) * SizeOf(dtype);
  return PowerOfTwoIn(bits == 0 ? 256 : bits);
}

// Of part `i` of the batch `batch` products from `first` on, the matrices of each `strides` apart.
void RunBatch(const GemmArgs& g, int64_t i, int64_t first, int64_t batch,
              const int64_t (&strides)[3]) {
  const auto at = [&](const void* data, int64_t outer, int64_t stride, DType dtype) {
    return static_cast<const char*>(data) +
           (i * outer + first * stride) * static_cast<int64_t>(SizeOf(dtype));
  };
  const void* const a = at(g.a.data, g.a.strides[0], strides[0], g.dtype);
  const void* const b = at(g.b.data, g.b.strides[0], strides[1], g.dtype);
  void* const c = const_cast<char*>(at(g.c.data, g.c.strides[0], strides[2], g.out));
  const void* const add = g.add == nullptr ? nullptr : at(g.add, g.c.strides[0], strides[2], g.out);
  const int64_t c_alignment = AlignmentOf(c, strides[2], g.out);
  const Problem problem{
      .a = {g.trans_a ? g.k : g.m, g.trans_a ? g.m : g.k, g.a.ld, strides[0], g.dtype},
      .b = {g.trans_b ? g.n : g.k, g.trans_b ? g.k : g.n, g.b.ld, strides[1], g.dtype},
      .c = {g.m, g.n, g.c.ld, strides[2], g.out},
      .trans_a = g.trans_a,
      .trans_b = g.trans_b,
      .adds = add != nullptr,
      .tf32 = g.dtype == DType::kF32 && Tf32Allowed(),
      .batch = batch,
      .alignment = {AlignmentOf(a, strides[0], g.dtype), AlignmentOf(b, strides[1], g.dtype),
                    add == nullptr ? c_alignment : AlignmentOf(add, strides[2], g.out),
                    c_alignment}};
  const Plan& plan = PlanFor(problem);
  if (g.dtype == DType::kF64) {
    plan.Run<double>(a, b, add, c);
  } else {
    plan.Run<float>(a, b, add, c);
  }
}

// A sum of nothing.
void WithoutProducts(const GemmArgs& g) {
  if (g.add == g.c.data) return;
  const size_t size = SizeOf(g.out), width = g.n * size;
  const size_t pitch = std::max(g.c.ld, g.n) * size;  // Of one row, ld means nothing.
  for (int64_t item = 0; item < g.batch[0] * g.batch[1]; ++item) {
    const int64_t at = GemmOffset(g, g.c, item) * static_cast<int64_t>(size);
    char* const c = static_cast<char*>(g.c.data) + at;
    if (g.add == nullptr) {
      PALIMPSEST_CUDA_CHECK(cudaMemset2DAsync(c, pitch, 0, width, g.m, CudaStream()));
    } else {
      PALIMPSEST_CUDA_CHECK(cudaMemcpy2DAsync(c, pitch, static_cast<const char*>(g.add) + at, pitch,
                                              width, g.m, cudaMemcpyDeviceToDevice, CudaStream()));
    }
  }
}

template <typename Word>
void MirrorWords(const GemmArgs& g) {
  using Matrices = device::SquareMatrices<Word>;
  const Matrices all = {.data = static_cast<Word*>(g.c.data),
                        .n = g.n,
                        .ld = g.c.ld,
                        .count = g.batch[0] * g.batch[1],
                        .inner = g.batch[1],
                        .strides = {g.c.strides[0], g.c.strides[1]}};
  constexpr int kTile = Matrices::kTile;
  Launch(device::MirrorKernel<Word>, BlocksFor(all.count * all.tiles() * all.tiles()),
         device::kThreads, kTile * (kTile + 1) * sizeof(Word), all);
}

// cuBLASLt computes both halves of a symmetric c, which rounding makes differ.
void Mirror(const GemmArgs& g) {
  switch (SizeOf(g.out)) {
    case 8: return MirrorWords<uint64_t>(g);
    case 4: return MirrorWords<uint32_t>(g);
    default: return MirrorWords<uint16_t>(g);
  }
}

// In one call of cuBLASLt, which takes less than 2^16.
constexpr int64_t kMostProducts = 1 << 15;

void Multiply(const GemmArgs& g) {
  // The two extents of the batch are one where the strides say so; else the outer is a loop.
  const auto merges = [&](const auto& x) { return x.strides[0] == g.batch[1] * x.strides[1]; };
  const bool one = g.batch[0] == 1 || (merges(g.a) && merges(g.b) && merges(g.c));
  const bool outer = g.batch[1] == 1;  // The outer extent is the only one.
  const int axis = outer ? 0 : 1;
  const int64_t strides[3] = {g.a.strides[axis], g.b.strides[axis], g.c.strides[axis]};
  const int64_t batch = one || outer ? g.batch[0] * g.batch[1] : g.batch[1];
  const int64_t parts = g.batch[0] * g.batch[1] / batch;
  for (int64_t i = 0; i < parts; ++i) {
    for (int64_t first = 0; first < batch; first += kMostProducts)
      RunBatch(g, i, first, std::min(batch - first, kMostProducts), strides);
  }
}

void GemmCuda(const GemmArgs& g) {
  PALIMPSEST_CHECK(IsFloat(g.dtype)) << "gemm of " << g.dtype;
  PALIMPSEST_CHECK(!g.symmetric || g.m == g.n) << g.m << " x " << g.n << " is not symmetric";
  if (g.m == 0 || g.n == 0 || g.batch[0] * g.batch[1] == 0) return;
  if (g.k == 0) return WithoutProducts(g);
  Multiply(g);
  if (g.symmetric) Mirror(g);
}

PALIMPSEST_REGISTER_CUDA_KERNEL(gemm, GemmCuda);

}  // namespace
}  // namespace palimpsest
