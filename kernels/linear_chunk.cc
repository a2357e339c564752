#include "kernels/linear_chunk.h"

#include "core/parallel.h"
#include "kernels/linear_chunk_head.h"

namespace palimpsest {

constinit Kernel<void(const LinearChunkArgs&, const LinearChunkOutputs&)> linear_chunk(
    "linear_chunk");
constinit Kernel<void(const LinearChunkArgs&, const LinearChunkGradients&)> linear_chunk_vjp(
    "linear_chunk_vjp");

namespace {

using tile::Gemm;
using tile::Part;

template <typename T>
class Forward : Head<T> {
 public:
  static int64_t ArenaSize(const LinearChunkArgs& a) {
    return Head<T>::ArenaSize(a) + tile::Padded<T>(a.chunk) * tile::Padded<T>(a.value);
  }
  Forward(const LinearChunkArgs& args, const LinearChunkOutputs& out, Arena<T>& arena)
      : Head<T>(args, arena), out_(out), y_(arena.Take(pad_.chunk, pad_.value)) {}

  void Run(int64_t head) {
    this->EnterHead(head);
    this->LoadState(s_, args_.state);
    for (int64_t chunk = 0; chunk < args_.chunks(); ++chunk) Chunk(chunk);
    this->StoreState(s_, out_.last_state);
  }

 private:
  using Head<T>::args_, Head<T>::pad_, Head<T>::count_, Head<T>::rows_, Head<T>::s_, Head<T>::r_;

  void Chunk(int64_t chunk) {
    if (out_.saved != nullptr) {
      T* saved = this->Saved(static_cast<T*>(out_.saved), chunk);
      for (int64_t k = 0; k < args_.key; ++k)
        std::copy_n(s_.row(k), args_.value, saved + k * args_.value);
    }
    this->EnterChunk(chunk);
    this->Solve();
    Gemm<false>(y_, this->q_start_.left(), s_, rows_, pad_.value, args_.key);
    Gemm<true>(y_, this->p_.left(), r_, rows_, pad_.value, rows_, Part::kLowerLeft);
    for (int64_t t = 0; t < count_; ++t)
      std::copy_n(y_.row(t), args_.value, this->At(out_.y, t, args_.value));
    const T keep = this->start(count_ - 1);
    for (int64_t k = 0; k < args_.key; ++k) tile::Scale(s_.row(k), keep, s_.row(k), pad_.value);
    Gemm<true>(s_, this->k_last_.transposed(), r_, pad_.key, pad_.value, rows_);
  }

  const LinearChunkOutputs& out_;
  tile::Matrix<T> y_;
};

// Yang et al. 2024, "Gated Delta Networks"; with d_ for the cotangents, and dR solved for what W
// gets.
template <typename T>
class Backward : Head<T> {
 public:
  static int64_t ArenaSize(const LinearChunkArgs& a) {
    const int64_t c = tile::Padded<T>(a.chunk), key = tile::Padded<T>(a.key),
                  value = tile::Padded<T>(a.value);
    return Head<T>::ArenaSize(a) + 3 * c * (key + value) + 2 * c * c + 3 * key * value +
           3 * (c + tile::kPad<T>);
  }
  Backward(const LinearChunkArgs& args, const LinearChunkGradients& grads, Arena<T>& arena)
      : Head<T>(args, arena), grads_(grads) {
    const auto [c, key, value] = pad_;
    for (Matrix* m : {&dq_, &dk_, &de_}) *m = arena.Take(c, key);
    for (Matrix* m : {&dy_, &dr_}) *m = arena.Take(c, value);
    for (Matrix* m : {&dp_, &dl_}) *m = arena.Take(c, c);
    for (Matrix* m : {&s_transposed_, &ds_transposed_}) *m = arena.Take(value, key);
    r_transposed_ = arena.Take(value, c);
    ds_ = arena.Take(key, value);
    dstart_ = arena.Take(1, c + tile::kPad<T>).at + 1;
    lambda_ = arena.Take(1, c + tile::kPad<T>).at;
  }

  void Run(int64_t head) {
    this->EnterHead(head);
    this->LoadState(ds_, grads_.dlast_state);
    for (int64_t chunk = args_.chunks() - 1; chunk >= 0; --chunk) Chunk(chunk);
    this->StoreState(ds_, grads_.dstate);
  }

 private:
  using Matrix = tile::Matrix<T>;
  using Head<T>::args_, Head<T>::pad_, Head<T>::count_, Head<T>::rows_;
  using Head<T>::q_, Head<T>::k_, Head<T>::e_, Head<T>::s_, Head<T>::r_;
  using Head<T>::qk_, Head<T>::ek_;

  bool erases() const { return args_.e != nullptr; }

  void Chunk(int64_t chunk) {
    const T* saved = this->Saved(static_cast<const T*>(grads_.saved), chunk);
    for (int64_t k = 0; k < args_.key; ++k)
      std::copy_n(saved + k * args_.value, args_.value, s_.row(k));
    this->EnterChunk(chunk);
    this->Solve();
    this->Pack(dy_, grads_.dy, args_.value, [](int64_t) { return T(1); });
    tile::Transpose(r_transposed_, r_, rows_, pad_.value);
    tile::Transpose(s_transposed_, s_, pad_.key, pad_.value);
    tile::Transpose(ds_transposed_, ds_, pad_.key, pad_.value);
    SolveWrites();
    Tables();
    Queries();
    if (erases()) Erasures();
    Keys();
    StoreRows();
    StoreKeeps();
    State();
  }

  // dR = (I - L)^{-T} (P^T dY + diag(Gamma(C, .)) K dS).
  void SolveWrites() {
    Gemm<false>(dr_, this->p_.transposed(), dy_, rows_, pad_.value, rows_, Part::kUpperLeft);
    Gemm<true>(dr_, this->k_last_.left(), ds_, rows_, pad_.value, args_.key);
    if (erases()) tile::SolveInPlace<true>(dr_, this->l_, rows_, pad_.value);
  }

  // dP = dY R^T and dL = dR R^T become the cotangents of the dots, in qk_ and ek_, and of Gamma, in
  // dp_.
  void Tables() {
    Gemm<false>(dp_, dy_.left(), r_transposed_, rows_, pad_.chunk, args_.value, Part::kLowerResult);
    if (erases())
      Gemm<false>(dl_, dr_.left(), r_transposed_, rows_, pad_.chunk, args_.value,
                  Part::kLowerResult);
    for (int64_t t = 0; t < rows_; ++t) {
      const int64_t n = this->BlockEnd(t);
      tile::Exchange(dp_.row(t), qk_.row(t), this->gamma(t), n);
      if (!erases()) continue;
      tile::Exchange(dl_.row(t), ek_.row(t), this->gamma(t - 1), n);
      if (t > 0) tile::AddScaled(dp_.row(t - 1), T(1), dl_.row(t), t);
    }
  }

  void Queries() {
    Gemm<false>(dq_, dy_.left(), s_transposed_, rows_, pad_.key, args_.value);
    for (int64_t t = 0; t < rows_; ++t) {
      dstart_[t] = tile::Dot(q_.row(t), dq_.row(t), pad_.key);
      tile::Scale(dq_.row(t), this->start(t), dq_.row(t), pad_.key);
    }
    Gemm<true>(dq_, qk_.left(), k_, rows_, pad_.key, rows_, Part::kLowerLeft);
  }

  void Erasures() {
    Gemm<false>(de_, dr_.left(), s_transposed_, rows_, pad_.key, args_.value);
    for (int64_t t = 0; t < rows_; ++t) {
      dstart_[t - 1] += tile::Dot(e_.row(t), de_.row(t), pad_.key);
      tile::Scale(de_.row(t), this->start(t - 1), de_.row(t), pad_.key);
    }
    Gemm<true>(de_, ek_.left(), k_, rows_, pad_.key, rows_, Part::kLowerLeft);
  }

  void Keys() {
    Gemm<false>(dk_, r_.left(), ds_transposed_, rows_, pad_.key, args_.value);
    for (int64_t t = 0; t < rows_; ++t) {
      dp_.row(count_ - 1)[t] += tile::Dot(k_.row(t), dk_.row(t), pad_.key);
      tile::Scale(dk_.row(t), this->gamma(count_ - 1)[t], dk_.row(t), pad_.key);
    }
    Gemm<true>(dk_, qk_.transposed(), q_, rows_, pad_.key, rows_, Part::kUpperLeft);
    if (erases()) Gemm<true>(dk_, ek_.transposed(), e_, rows_, pad_.key, rows_, Part::kUpperLeft);
  }

  void StoreRows() {
    for (int64_t t = 0; t < count_; ++t) {
      std::copy_n(dq_.row(t), args_.key, this->At(grads_.dq, t, args_.key));
      const T write = this->Gate(args_.write_scale, t, 1),
              erase = -this->Gate(args_.erase_scale, t, 1);
      tile::ScaleOutput(this->At(grads_.dv, t, args_.value), write, dr_.row(t), args_.value);
      if (args_.write_scale != nullptr) {
        *this->At(grads_.dwrite_scale, t, 1) =
            tile::Dot(dr_.row(t), this->At(args_.v, t, args_.value), args_.value);
      }
      if (args_.erase_scale != nullptr) {
        *this->At(grads_.derase_scale, t, 1) =
            -tile::Dot(de_.row(t), this->At(args_.e, t, args_.key), args_.key);
      }
      if (grads_.de != nullptr) {
        tile::ScaleOutput(this->At(grads_.de, t, args_.key), erase, de_.row(t), args_.key);
      } else if (erases()) {
        tile::AddScaled(dk_.row(t), erase, de_.row(t), args_.key);
      }
      std::copy_n(dk_.row(t), args_.key, this->At(grads_.dk, t, args_.key));
    }
  }

  // Through the products, backwards: lambda and kappa are the cotangents of Gamma(t, .) and
  // start(t) with all that follows from them. Sums of products only, so small keeps keep their
  // digits.
  void StoreKeeps() {
    if (args_.log_keep == nullptr) return;
    for (int64_t k = 0; k < args_.key; ++k)
      dstart_[count_ - 1] += tile::Dot(ds_.row(k), s_.row(k), pad_.value);
    std::fill_n(lambda_, pad_.chunk, T(0));
    T kappa = 0, next_keep = 0;
    for (int64_t t = count_ - 1; t >= 0; --t) {
      kappa = dstart_[t] + next_keep * kappa;
      const T dgamma = tile::DecayAndDot(lambda_, next_keep, dp_.row(t), this->gamma(t - 1), t);
      next_keep = this->keep(t);
      *this->At(grads_.dlog_keep, t, 1) = next_keep * (kappa * this->start(t - 1) + dgamma);
    }
  }

  void State() {
    const T keep = this->start(count_ - 1);
    for (int64_t k = 0; k < args_.key; ++k) tile::Scale(ds_.row(k), keep, ds_.row(k), pad_.value);
    Gemm<true>(ds_, this->q_start_.transposed(), dy_, pad_.key, pad_.value, rows_);
    if (erases()) Gemm<true>(ds_, this->e_start_.transposed(), dr_, pad_.key, pad_.value, rows_);
  }

  const LinearChunkGradients& grads_;
  Matrix dq_, dk_, de_, dy_, dr_, dp_, dl_, r_transposed_, s_transposed_, ds_, ds_transposed_;
  T *dstart_, *lambda_;  // dstart_[-1] exists.
};

template <template <typename> class Pass, typename T, typename To>
void OverHeads(const LinearChunkArgs& args, const To& to) {
  ParallelFor(args.batch * args.heads, 1, [&](int64_t begin, int64_t end) {
    Arena<T> arena(Pass<T>::ArenaSize(args));
    Pass<T> pass(args, to, arena);
    for (int64_t head = begin; head < end; ++head) pass.Run(head);
  });
}

template <template <typename> class Pass, typename To>
void Run(const LinearChunkArgs& args, const To& to) {
  PALIMPSEST_CHECK(args.chunk >= 1 && args.chunk <= kMaxLinearChunk) << "chunk " << args.chunk;
  if (args.dtype == DType::kF64) return OverHeads<Pass, double>(args, to);
  PALIMPSEST_CHECK(args.dtype == DType::kF32) << "needs f64 or f32, got " << args.dtype;
  OverHeads<Pass, float>(args, to);
}

void RunForward(const LinearChunkArgs& args, const LinearChunkOutputs& out) {
  Run<Forward>(args, out);
}
void RunBackward(const LinearChunkArgs& args, const LinearChunkGradients& grads) {
  Run<Backward>(args, grads);
}

PALIMPSEST_REGISTER_KERNEL(linear_chunk, kCpu, RunForward);
PALIMPSEST_REGISTER_KERNEL(linear_chunk_vjp, kCpu, RunBackward);

}  // namespace
}  // namespace palimpsest
