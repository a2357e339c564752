// What a call that fails says: the op in progress, the call, and why, in the library's words.
#include "core/op_scope.h"
#include "gtest/gtest.h"
#include "kernels/cuda/cublas_lt.h"
#include "kernels/cuda/cudnn.h"
#include "kernels/cuda/runtime.h"

namespace palimpsest {
namespace {

class CudaErrorsDeathTest : public testing::Test {
 protected:
  void SetUp() override { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
  const OpScope op_{"MatMul"};
};

TEST_F(CudaErrorsDeathTest, OfTheRuntime) {
  EXPECT_DEATH(PALIMPSEST_CUDA_CHECK(cudaMemset2DAsync(nullptr, 1, 0, 2, 1, CudaStream())),
               "\\[MatMul\\] .*: cudaMemset2DAsync\\(.*\\): cudaError, error");
}

TEST_F(CudaErrorsDeathTest, OfCublasLt) {
  cublasLtMatmulDesc_t product;
  PALIMPSEST_CUBLASLT_CHECK(
      CublasLt::Get().MatmulDescCreate(&product, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  const char too_short = 0;
  EXPECT_DEATH(
      PALIMPSEST_CUBLASLT_CHECK(CublasLt::Get().MatmulDescSetAttribute(
          product, CUBLASLT_MATMUL_DESC_TRANSA, &too_short, sizeof(too_short))),
      "\\[MatMul\\] .*: CublasLt::Get\\(\\).MatmulDescSetAttribute\\(.*\\): an invalid value");
  PALIMPSEST_CUBLASLT_CHECK(CublasLt::Get().MatmulDescDestroy(product));
}

TEST_F(CudaErrorsDeathTest, OfCudnn) {
  CudnnDescriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor.Finalize();
  EXPECT_DEATH(tensor.Finalize(), "\\[MatMul\\] .*: .*Finalize\\(.*\\): a bad parameter");
}

}  // namespace
}  // namespace palimpsest
