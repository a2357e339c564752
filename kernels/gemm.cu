#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <ostream>
#include <tuple>

#include "kernels/cuda/cublas_lt.h"
#include "kernels/cuda/launch.h"
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
  bool trans_a, trans_b, accumulate;
  int64_t batch;
  int64_t alignment[3];  // Bytes that divide the addresses of a, b and c.

  auto Key() const {
    const auto of = [](const Stored& x) {
      return std::array<int64_t, 5>{x.rows, x.cols, x.ld, x.stride, static_cast<int64_t>(x.dtype)};
    };
    return std::tuple(of(a), of(b), of(c), trans_a, trans_b, accumulate, batch,
                      std::array<int64_t, 3>{alignment[0], alignment[1], alignment[2]});
  }
};

std::ostream& operator<<(std::ostream& os, const Stored& x) {
  return os << x.dtype << " [" << x.rows << "," << x.cols << "] ld " << x.ld;
}
std::ostream& operator<<(std::ostream& os, const Problem& p) {
  return os << p.batch << " products of a " << p.a << (p.trans_a ? " transposed" : "") << " and b "
            << p.b << (p.trans_b ? " transposed" : "") << " to " << p.c;
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

// How cuBLASLt computes c^T = op(b)^T op(a)^T; the algorithm is chosen once for a problem, so that
// reruns give the same bits.
class Plan {
 public:
  explicit Plan(const Problem& p)
      : problem_(p), a_(p.a, p.batch), b_(p.b, p.batch), c_(p.c, p.batch) {
    const CublasLt& lt = CublasLt::Get();
    const bool f64 = p.a.dtype == DType::kF64;
    PALIMPSEST_CUBLASLT_CHECK(lt.MatmulDescCreate(
        &desc_, f64 ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F, f64 ? CUDA_R_64F : CUDA_R_32F));
    Set(CUBLASLT_MATMUL_DESC_TRANSA, p.trans_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    Set(CUBLASLT_MATMUL_DESC_TRANSB, p.trans_a ? CUBLAS_OP_T : CUBLAS_OP_N);
    Choose(p);
  }
  ~Plan() { CublasLt::Get().MatmulDescDestroy(desc_); }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  template <typename Scale>
  void Run(const void* a, const void* b, void* c, bool accumulate) const {
    const Scale one = 1, beta = accumulate ? 1 : 0;
    const CublasLt& lt = CublasLt::Get();
    const cublasStatus_t status =
        lt.Matmul(CublasLt::Handle(), desc_, &one, b, b_.get(), a, a_.get(), &beta, c, c_.get(), c,
                  c_.get(), &algorithm_, Workspace(), kWorkspaceBytes, CudaStream());
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
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment(2));
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

// `batch` products from these addresses on, the matrices `strides` apart.
void RunBatch(const GemmArgs& g, int64_t batch, const char* a, const char* b, char* c,
              const int64_t (&strides)[3]) {
  const Problem problem{
      .a = {g.trans_a ? g.k : g.m, g.trans_a ? g.m : g.k, g.a.ld, strides[0], g.dtype},
      .b = {g.trans_b ? g.n : g.k, g.trans_b ? g.k : g.n, g.b.ld, strides[1], g.dtype},
      .c = {g.m, g.n, g.c.ld, strides[2], g.out},
      .trans_a = g.trans_a,
      .trans_b = g.trans_b,
      .accumulate = g.accumulate,
      .batch = batch,
      .alignment = {AlignmentOf(a, strides[0], g.dtype), AlignmentOf(b, strides[1], g.dtype),
                    AlignmentOf(c, strides[2], g.out)}};
  const Plan& plan = PlanFor(problem);
  if (g.dtype == DType::kF64) {
    plan.Run<double>(a, b, c, g.accumulate);
  } else {
    plan.Run<float>(a, b, c, g.accumulate);
  }
}

// A sum of nothing.
void Clear(const GemmArgs& g) {
  const size_t size = SizeOf(g.out);
  for (int64_t item = 0; item < g.batch[0] * g.batch[1]; ++item) {
    char* c = static_cast<char*>(g.c.data) + GemmOffset(g, g.c, item) * static_cast<int64_t>(size);
    const size_t pitch = std::max(g.c.ld, g.n) * size;  // Of one row, ld means nothing.
    PALIMPSEST_CUDA_CHECK(cudaMemset2DAsync(c, pitch, 0, g.n * size, g.m, CudaStream()));
  }
}

void GemmCuda(const GemmArgs& g) {
  PALIMPSEST_CHECK(IsFloat(g.dtype)) << "gemm of " << g.dtype;
  if (g.m == 0 || g.n == 0 || g.batch[0] * g.batch[1] == 0) return;
  if (g.k == 0) {
    if (!g.accumulate) Clear(g);
    return;
  }
  // The two extents of the batch are one where the strides say so; else the outer is a loop.
  const auto merges = [&](const auto& x) { return x.strides[0] == g.batch[1] * x.strides[1]; };
  const bool one = g.batch[0] == 1 || (merges(g.a) && merges(g.b) && merges(g.c));
  const bool outer = g.batch[1] == 1;  // The outer extent is the only one.
  const int axis = outer ? 0 : 1;
  const int64_t strides[3] = {g.a.strides[axis], g.b.strides[axis], g.c.strides[axis]};
  const int64_t batch = one || outer ? g.batch[0] * g.batch[1] : g.batch[1];
  const auto in = static_cast<int64_t>(SizeOf(g.dtype)), out = static_cast<int64_t>(SizeOf(g.out));
  for (int64_t i = 0; i < g.batch[0] * g.batch[1] / batch; ++i) {
    RunBatch(g, batch, static_cast<const char*>(g.a.data) + i * g.a.strides[0] * in,
             static_cast<const char*>(g.b.data) + i * g.b.strides[0] * in,
             static_cast<char*>(g.c.data) + i * g.c.strides[0] * out, strides);
  }
}

PALIMPSEST_REGISTER_CUDA_KERNEL(gemm, GemmCuda);

}  // namespace
}  // namespace palimpsest
