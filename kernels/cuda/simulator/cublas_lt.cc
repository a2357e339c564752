#include "kernels/cuda/cublas_lt.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/dtype.h"
#include "kernels/cuda/simulator/memory.h"
#include "kernels/gemm.h"

namespace {

using palimpsest::Bf16;

template <typename T>
cublasStatus_t Take(T* to, const void* value, size_t bytes) {
  if (bytes != sizeof(T)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(to, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

double Read(const void* data, cudaDataType_t type, int64_t at) {
  switch (type) {
    case CUDA_R_64F: return static_cast<const double*>(data)[at];
    case CUDA_R_32F: return static_cast<const float*>(data)[at];
    default: return static_cast<double>(static_cast<const Bf16*>(data)[at]);
  }
}
// Rounded to 10 bits of mantissa, to the nearest and of two the even.
double ToTf32(double x) {
  if (!std::isfinite(x)) return x;
  auto bits = std::bit_cast<uint32_t>(static_cast<float>(x));
  bits += 0xfff + (bits >> 13 & 1);
  return static_cast<double>(std::bit_cast<float>(bits & ~uint32_t{0x1fff}));
}
void Write(void* data, cudaDataType_t type, int64_t at, double value) {
  switch (type) {
    case CUDA_R_64F: static_cast<double*>(data)[at] = value; break;
    case CUDA_R_32F: static_cast<float*>(data)[at] = static_cast<float>(value); break;
    default: static_cast<Bf16*>(data)[at] = Bf16(value);
  }
}

// Element (i, j) of matrix `item`, or of its transpose, counted by columns.
int64_t At(const cublasLtMatrixLayoutOpaque_t& x, int64_t item, int64_t i, int64_t j,
           cublasOperation_t transpose = CUBLAS_OP_N) {
  return item * x.stride + (transpose == CUBLAS_OP_T ? j + i * x.ld : i + j * x.ld);
}

// op(x), row after row, as it is multiplied.
std::vector<double> Rows(const void* data, const cublasLtMatrixLayoutOpaque_t& x, int64_t item,
                         cublasOperation_t transpose, cublasComputeType_t compute) {
  const bool t = transpose == CUBLAS_OP_T;
  const auto rows = static_cast<int64_t>(t ? x.cols : x.rows);
  const auto cols = static_cast<int64_t>(t ? x.rows : x.cols);
  std::vector<double> all(rows * cols);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) {
      const double value = Read(data, x.type, At(x, item, i, j, transpose));
      all[i * cols + j] = compute == CUBLAS_COMPUTE_32F_FAST_TF32 ? ToTf32(value) : value;
    }
  }
  return all;
}

bool IsLayout(const cublasLtMatrixLayoutOpaque_t& x) {
  return x.rows > 0 && x.cols > 0 && x.ld >= static_cast<int64_t>(x.rows) && x.batch > 0 &&
         x.batch < 1 << 16;
}

// op(A) op(B) has the shape of C.
bool Fit(const cublasLtMatmulDescOpaque_t& desc, const cublasLtMatrixLayoutOpaque_t& a,
         const cublasLtMatrixLayoutOpaque_t& b, const cublasLtMatrixLayoutOpaque_t& c) {
  const bool ta = desc.transpose_a == CUBLAS_OP_T, tb = desc.transpose_b == CUBLAS_OP_T;
  return (ta ? a.cols : a.rows) == c.rows && (tb ? b.rows : b.cols) == c.cols &&
         (ta ? a.rows : a.cols) == (tb ? b.cols : b.rows) && a.batch == c.batch &&
         b.batch == c.batch && a.type == b.type;
}

bool IsAligned(const void* data, uint32_t bytes) {
  return reinterpret_cast<uintptr_t>(data) % bytes == 0;
}

// A matrix, or as many as its layout says.
struct Matrix {
  const void* data;
  cublasLtMatrixLayoutOpaque_t layout;
};

// d = scale op(a) op(b) + keep c
void Multiply(const cublasLtMatmulDescOpaque_t& desc, double scale, const Matrix& a,
              const Matrix& b, double keep, const Matrix& c, void* to,
              const cublasLtMatrixLayoutOpaque_t& d) {
  const palimpsest::simulator::OpenMemory open("cublasLtMatmul");
  const auto m = static_cast<int64_t>(d.rows), n = static_cast<int64_t>(d.cols);
  const bool transposed = desc.transpose_a == CUBLAS_OP_T;
  const auto k = static_cast<int64_t>(transposed ? a.layout.rows : a.layout.cols);
  for (int64_t item = 0; item < d.batch; ++item) {
    const std::vector<double> left = Rows(a.data, a.layout, item, desc.transpose_a, desc.compute);
    const std::vector<double> right = Rows(b.data, b.layout, item, desc.transpose_b, desc.compute);
    std::vector<double> sums(m * n);
    palimpsest::gemm(palimpsest::Device::kCpu, {.m = m,
                                                .n = n,
                                                .k = k,
                                                .a = {left.data(), k},
                                                .b = {right.data(), n},
                                                .c = {sums.data(), n},
                                                .dtype = palimpsest::DType::kF64,
                                                .out = palimpsest::DType::kF64});
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        const double old =
            keep == 0.0 ? 0.0 : keep * Read(c.data, c.layout.type, At(c.layout, item, i, j));
        Write(to, d.type, At(d, item, i, j), scale * sums[i * n + j] + old);
      }
    }
  }
}

}  // namespace

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = nullptr;
  return CUBLAS_STATUS_SUCCESS;
}
const char* cublasLtGetStatusString(cublasStatus_t status) {
  constexpr const char* kNames[] = {"success", "an invalid value", "not supported"};
  return kNames[status];
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t desc, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t al, const void* b,
                              cublasLtMatrixLayout_t bl, const void* beta, const void* c,
                              cublasLtMatrixLayout_t cl, void* d, cublasLtMatrixLayout_t dl,
                              const cublasLtMatmulAlgo_t* algo, void* workspace, size_t,
                              cudaStream_t stream) {
  const void* const pointers[] = {a, b, c, d};
  for (int i = 0; i < 4; ++i) {
    if (!palimpsest::simulator::IsDeviceMemory(pointers[i])) return CUBLAS_STATUS_INVALID_VALUE;
    if (!IsAligned(pointers[i], algo->alignment[i])) return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  if (!palimpsest::simulator::IsDeviceMemory(workspace)) return CUBLAS_STATUS_INVALID_VALUE;
  const double scale = Read(alpha, desc->scale, 0), keep = Read(beta, desc->scale, 0);
  palimpsest::simulator::Do(stream, [=, desc = *desc, al = *al, bl = *bl, cl = *cl, dl = *dl] {
    Multiply(desc, scale, {a, al}, {b, bl}, keep, {c, cl}, d, dl);
  });
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t desc,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t* results,
                                              int* found) {
  *found = 0;
  if (wanted < 1 || !IsLayout(*a) || !IsLayout(*b) || !IsLayout(*c) || !IsLayout(*d) ||
      !Fit(*desc, *a, *b, *d) || c->ld != d->ld || c->stride != d->stride) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  results[0] = {};
  std::memcpy(results[0].algo.alignment, preference->alignment, sizeof(preference->alignment));
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* desc, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
  *desc = new cublasLtMatmulDescOpaque_t{compute, scale};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) {
  delete desc;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc,
                                              cublasLtMatmulDescAttributes_t name,
                                              const void* value, size_t bytes) {
  return Take(name == CUBLASLT_MATMUL_DESC_TRANSA ? &desc->transpose_a : &desc->transpose_b, value,
              bytes);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  *preference = new cublasLtMatmulPreferenceOpaque_t;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  delete preference;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t name,
                                                    const void* value, size_t bytes) {
  if (name == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES)
    return bytes == sizeof(uint64_t) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
  if (name == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK)
    return bytes == sizeof(uint32_t) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
  return Take(&preference->alignment[name - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value,
              bytes);
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType_t type,
                                          uint64_t rows, uint64_t cols, int64_t ld) {
  *layout = new cublasLtMatrixLayoutOpaque_t{type, rows, cols, ld};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  delete layout;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t name,
                                                const void* value, size_t bytes) {
  return name == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT ? Take(&layout->batch, value, bytes)
                                                    : Take(&layout->stride, value, bytes);
}

namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {

const CublasLt& CublasLt::Get() {
  static const CublasLt lt = {cublasLtCreate,
                              cublasLtGetStatusString,
                              cublasLtMatmul,
                              cublasLtMatmulAlgoGetHeuristic,
                              cublasLtMatmulDescCreate,
                              cublasLtMatmulDescDestroy,
                              cublasLtMatmulDescSetAttribute,
                              cublasLtMatmulPreferenceCreate,
                              cublasLtMatmulPreferenceDestroy,
                              cublasLtMatmulPreferenceSetAttribute,
                              cublasLtMatrixLayoutCreate,
                              cublasLtMatrixLayoutDestroy,
                              cublasLtMatrixLayoutSetAttribute};
  return lt;
}

cublasLtHandle_t CublasLt::Handle() { return nullptr; }

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest
