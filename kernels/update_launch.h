#ifndef KERNELS_UPDATE_LAUNCH_H_
#define KERNELS_UPDATE_LAUNCH_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "core/tensor.h"
#include "kernels/cuda/launch.h"
#include "kernels/device/update.cuh"
#include "kernels/update.h"

// Launches of kernels/device/update.cuh, for NAME.cu files. What a rule is stands there.
namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {

template <typename Rule>
struct UpdateOf {
  DType dtype;
  device::UpdateRow<Rule> row;
};

// A row, with the state in[k] that becomes out[k].
template <typename Rule>
UpdateOf<Rule> MakeRow(const ParamUpdate& u, const std::array<const void*, Rule::kState>& in,
                       const std::array<void*, Rule::kState>& out, const Rule& rule) {
  UpdateOf<Rule> of{u.dtype, {{.param = u.param, .grad = u.grad}, rule}};
  device::UpdateTensors<Rule::kState>& x = of.row.tensors;
  std::copy(in.begin(), in.end(), x.in);
  std::copy(out.begin(), out.end(), x.out);
  x.param_out = u.param_out, x.low_out = u.low_out;
  x.size = u.size, x.steps = u.steps, x.grad_scale = u.grad_scale;
  const void* const addresses[] = {x.param, x.grad, x.param_out, x.low_out};
  uintptr_t bits = 0;
  for (const void* p : addresses) bits |= reinterpret_cast<uintptr_t>(p);
  for (int k = 0; k < Rule::kState; ++k)
    bits |= reinterpret_cast<uintptr_t>(x.in[k]) | reinterpret_cast<uintptr_t>(x.out[k]);
  x.packs = bits % 16 == 0;
  return of;
}

// Calls run.operator()<T, G>(table) for tables of rows of one dtype, as long as there is room.
template <typename Rule, typename F>
void ForTables(const std::vector<UpdateOf<Rule>>& all, F run) {
  using Table = device::UpdateTable<device::UpdateRow<Rule>>;
  const auto flush = [&](DType dtype, Table& table) {
    if (table.count == 0) return;
    switch (dtype) {
      case DType::kF64: run.template operator()<double, double>(table); break;
      case DType::kF32: run.template operator()<float, float>(table); break;
      default: run.template operator()<float, __nv_bfloat16>(table);
    }
    table = Table();
  };
  for (DType dtype : {DType::kF64, DType::kF32, DType::kBf16}) {
    Table table;
    for (const UpdateOf<Rule>& of : all) {
      if (of.dtype != dtype) continue;
      const int64_t size = of.row.tensors.size;
      const int64_t pieces = std::max<int64_t>((size + device::kPiece - 1) / device::kPiece, 1);
      table.rows[table.count] = of.row;
      table.first_block[table.count + 1] =
          table.first_block[table.count] + static_cast<uint32_t>(pieces);
      if (++table.count == Table::kRows) flush(dtype, table);
    }
    flush(dtype, table);
  }
}

template <typename Rule>
void LaunchUpdates(const std::vector<UpdateOf<Rule>>& all) {
  ForTables(all, [&]<typename T, typename G>(const auto& table) {
    Launch(device::UpdateKernel<T, G, Rule>, table.first_block[table.count], device::kUpdateThreads,
           sizeof(typename Rule::template Constants<T>), table);
    if constexpr (requires { &Rule::template Finish<T>; }) {
      Launch(device::FinishKernel<T, Rule>, static_cast<unsigned>(table.count), device::kWarp, 0,
             table);
    }
  });
}

// rows[i].tensors.sums: kSums or what the rule's Result makes of them.
template <typename Rule>
void LaunchSums(const std::vector<UpdateOf<Rule>>& all) {
  ForTables(all, [&]<typename T, typename G>(const auto& table) {
    const uint32_t blocks = table.first_block[table.count];
    Tensor partial =
        Tensor::Empty({blocks, Rule::kSums}, DType::kF64, Device::PALIMPSEST_CUDA_DEVICE);
    constexpr size_t kShared =
        std::max(sizeof(typename Rule::template Constants<T>), device::kReduceBytes);
    Launch(device::PieceSumsKernel<T, G, Rule>, blocks, device::kUpdateThreads, kShared, table,
           partial.mutable_data<double>());
    Launch(device::RowSumsKernel<Rule>, static_cast<unsigned>(table.count), device::kUpdateThreads,
           device::kReduceBytes, table, partial.data<double>());
  });
}

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest

#endif  // KERNELS_UPDATE_LAUNCH_H_
