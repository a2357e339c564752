#ifndef KERNELS_DEVICE_CHUNK_NUMBER_CUH_
#define KERNELS_DEVICE_CHUNK_NUMBER_CUH_

#include "kernels/device/chunk.cuh"
#include "kernels/device/chunk_gradients.cuh"

namespace palimpsest::device {

// How states decay over a chunk where keep is a number: without momentum (one state) or with (two;
// Huang et al. 2026, "MDN"). Of the products and sums
//   rho(t, j) = eta_t rho(t-1, j) + [t = j],
//   gamma(t, j) = keep_t gamma(t-1, j) + beta_t rho(t, j),
// gamma(t, j) is how much of r_j k_j^T is in M_t, and rho how much is in S_t; of_m and of_s how
// much of M_0 and S_0 is in M_t, of_momentum how much of S_0 is in S_t. Without momentum rho(t, j)
// is [t = j] and beta 1. No entry is a quotient or a difference, so all keep their digits for any
// gates.
template <typename T, int kStates>
class NumberDecay {
 public:
  using N = Number<T>;
  static constexpr int kColumns = kEdge;  // Key channels taken at once.

  __host__ __device__ NumberDecay(SharedPlan& plan, int rows) : n_(rows) {
    gamma_ = plan.Take<N>((n_ + 1) * n_);
    rho_ = kStates == 2 ? plan.Take<N>((n_ + 1) * n_) : nullptr;
    for (N** series : {&of_m_, &of_s_, &of_momentum_, &keep_, &eta_, &beta_})
      *series = plan.Take<N>(n_ + 1);
  }
  // What Backward needs beside.
  struct Gradients {
    __host__ __device__ Gradients(SharedPlan& plan, int rows) {
      products = plan.Take<N>(2 * rows * rows);
      for (N** each : {&dof_m, &dof_s}) *each = plan.Take<N>(2 * rows);
      for (N** each : {&dlast_m, &dlast_s, &derase}) *each = plan.Take<N>(rows);
      sums = plan.Take<N>(kEdge);
    }
    N* products;           // [2 C, C]
    N *dof_m, *dof_s;      // Of queries and, after them, erase keys.
    N *dlast_m, *dlast_s;  // Of the last rows of gamma and rho.
    N *derase, *sums;
  };

  // Ends with a barrier.
  __device__ void Enter(const Tokens<T>& tokens) {
    const ChunkProblem<T>& g = tokens.g;
    Each(n_, [&](int64_t t) {
      const bool token = t < tokens.count;  // Past the last nothing decays and nothing is written.
      keep_[t] = token ? exp(tokens.Gate(g.log_keep, t, N(0))) : N(1);
      eta_[t] = token ? exp(tokens.Gate(g.log_eta, t, N(0))) : N(1);
      beta_[t] = token ? tokens.Gate(g.beta, t, N(1)) : N(0);
    });
    __syncthreads();
    const int j = static_cast<int>(threadIdx.x);
    if (j < n_) FillColumn(j);
    if (j == n_) FillStart();
    __syncthreads();
  }

  // How much of state s before the chunk is in M_t.
  __device__ N Start(int s, int64_t t, int64_t) const { return (s == 0 ? of_m_ : of_s_)[t + 1]; }
  // How much of token j's write is in state s after the chunk.
  __device__ N End(int s, int64_t j, int64_t) const {
    return (s == 0 ? gamma_ : rho_)[n_ * n_ + j];
  }
  __device__ void EnterColumns(const Tokens<T>&, int64_t) {}
  __device__ void StoreFactors(const ChunkProblem<T>&, N* f, int64_t first) const {
    if (first != 0 || threadIdx.x != 0) return;
    f[0] = of_m_[n_];
    f[1] = kStates == 2 ? of_s_[n_] : N(0);
    f[2] = kStates == 2 ? of_momentum_[n_] : N(0);
  }

  // table [reads * C, C]: what queries and, under them, erase keys read of the tokens' writes.
  __device__ void FillTable(const Tokens<T>& tokens, Stage<T>* stage, N* table) {
    for (int erase = 0; erase <= static_cast<int>(tokens.g.erases()); ++erase) {
      Product<T> dots(stage, n_, n_);
      AddDots(tokens, erase, dots);
      dots.Each([&](int i, int j, N x) {
        table[(erase * n_ + i) * n_ + j] = j <= i - erase ? Gamma(i - erase, j) * x : N(0);
      });
    }
  }

  // From the cotangents dtable of the table, of what the reads read of X before the chunk (rows dy
  // and d) and of what is written into X after it (rows r).
  __device__ void Backward(const Tokens<T>& tokens, const ChunkGradients<T>& to, Stage<T>* stage,
                           N* dtable, Gradients d);

 private:
  __device__ N Gamma(int64_t t, int64_t j) const { return gamma_[(t + 1) * n_ + j]; }
  __device__ N Rho(int64_t t, int64_t j) const { return rho_[(t + 1) * n_ + j]; }

  __device__ void FillColumn(int j) {
    N rho = N(0), gamma = N(0);
    gamma_[j] = N(0);
    if constexpr (kStates == 2) rho_[j] = N(0);
    for (int t = 0; t < n_; ++t) {
      if constexpr (kStates == 2) {
        rho = t == j ? N(1) : eta_[t] * rho;
        rho_[(t + 1) * n_ + j] = rho;
        gamma = keep_[t] * gamma + beta_[t] * rho;
      } else {
        gamma = t == j ? N(1) : keep_[t] * gamma;
      }
      gamma_[(t + 1) * n_ + j] = gamma;
    }
  }
  __device__ void FillStart() {
    N m = N(1), s = N(0), momentum = N(1);
    for (int t = 0;; ++t) {
      of_m_[t] = m, of_s_[t] = s, of_momentum_[t] = momentum;
      if (t == n_) break;
      momentum *= eta_[t];
      m *= keep_[t];
      s = keep_[t] * s + beta_[t] * momentum;
    }
  }

  __device__ void AddDots(const Tokens<T>& tokens, int erase, Product<T>& dots) const {
    if (erase == 0) {
      dots.Add(tokens.g.key, tokens.Rows(tokens.g.q, tokens.g.key), tokens.Keys());
    } else {
      dots.Add(tokens.g.key, Along([&](int i, int64_t p) { return tokens.Erase(i, p); }),
               tokens.Keys());
    }
  }

  __device__ void TableBackward(const Tokens<T>& tokens, Stage<T>* stage, N* dtable, Gradients& d);
  __device__ void ReadsBackward(const Tokens<T>& tokens, const ChunkGradients<T>& to,
                                const N* ddots, Gradients& d, int erase, int64_t first,
                                Product<T>& dread);
  __device__ void KeysBackward(const Tokens<T>& tokens, const ChunkGradients<T>& to, const N* ddots,
                               Gradients& d, int64_t first, Product<T>& dkey);
  __device__ void GatesBackward(const Tokens<T>& tokens, const ChunkGradients<T>& to, N* pi,
                                Gradients& d);

  int n_;
  N *gamma_, *rho_ = nullptr;       // [C + 1, C], from t = -1.
  N *of_m_, *of_s_, *of_momentum_;  // [C + 1], from t = -1.
  N *keep_, *eta_, *beta_;
};

// dtable becomes the cotangent of the dots; d.products that of gamma, an erase key's a row below
// its token's.
template <typename T, int kStates>
__device__ void NumberDecay<T, kStates>::TableBackward(const Tokens<T>& tokens, Stage<T>* stage,
                                                       N* dtable, Gradients& d) {
  for (int erase = 0; erase <= static_cast<int>(tokens.g.erases()); ++erase) {
    Product<T> dots(stage, n_, n_);
    AddDots(tokens, erase, dots);
    dots.Each([&](int i, int j, N x) {
      const int at = (erase * n_ + i) * n_ + j;
      const bool reads = j <= i - erase;
      d.products[at] = reads ? dtable[at] * x : N(0);
      dtable[at] = reads ? dtable[at] * Gamma(i - erase, j) : N(0);
    });
  }
}

// dread [C, columns from first] of the queries or of the erase keys.
template <typename T, int kStates>
__device__ void NumberDecay<T, kStates>::ReadsBackward(const Tokens<T>& tokens,
                                                       const ChunkGradients<T>& to, const N* ddots,
                                                       Gradients& d, int erase, int64_t first,
                                                       Product<T>& dread) {
  for (int s = 0; s < kStates; ++s) {
    Product<T> start = dread;
    start.Clear();
    to.AddReadOfStart(tokens, erase, s, first, start);
    N* dof = (s == 0 ? d.dof_m : d.dof_s) + erase * n_;
    start.RowSums([&](int t, int i, N x) { return x * tokens.Read(erase, t, first + i); },
                  [&](int t, N sum) { dof[t] += sum; });
    dread.Merge(start, [&](int t, int, N x, N y) { return x + Start(s, t - erase, 0) * y; });
  }
  dread.Add(n_, MatrixRows<N>{ddots + erase * n_ * n_, n_, n_},
            Across([&](int i, int64_t j) { return tokens.Key(j, first + i); }));
}

template <typename T, int kStates>
__device__ void NumberDecay<T, kStates>::KeysBackward(const Tokens<T>& tokens,
                                                      const ChunkGradients<T>& to, const N* ddots,
                                                      Gradients& d, int64_t first,
                                                      Product<T>& dkey) {
  for (int s = 0; s < kStates; ++s) {
    Product<T> end = dkey;
    end.Clear();
    to.AddWriteToEnd(tokens, s, first, end);
    N* dlast = s == 0 ? d.dlast_m : d.dlast_s;
    end.RowSums([&](int j, int i, N x) { return x * tokens.Key(j, first + i); },
                [&](int j, N sum) { dlast[j] += sum; });
    dkey.Merge(end, [&](int j, int, N x, N y) { return x + End(s, j, 0) * y; });
  }
  for (int erase = 0; erase <= static_cast<int>(tokens.g.erases()); ++erase) {
    dkey.Add(n_, Across([&](int j, int64_t t) { return ddots[(erase * n_ + t) * n_ + j]; }),
             Across([&](int i, int64_t t) { return tokens.Read(erase, t, first + i); }));
  }
}

template <typename T, int kStates>
__device__ void NumberDecay<T, kStates>::Backward(const Tokens<T>& tokens,
                                                  const ChunkGradients<T>& to, Stage<T>* stage,
                                                  N* dtable, Gradients d) {
  const ChunkProblem<T>& g = tokens.g;
  TableBackward(tokens, stage, dtable, d);
  Each(2 * n_, [&](int64_t i) { d.dof_m[i] = d.dof_s[i] = N(0); });
  Each(n_, [&](int64_t i) { d.dlast_m[i] = d.dlast_s[i] = d.derase[i] = N(0); });
  __syncthreads();
  for (int64_t first = 0; first < g.key; first += kColumns) {
    const int64_t columns = g.key - first;
    Product<T> dread(stage, n_, columns), dkey(stage, n_, columns);
    KeysBackward(tokens, to, dtable, d, first, dkey);
    for (int erase = 0; erase <= static_cast<int>(g.erases()); ++erase) {
      dread.Clear();
      ReadsBackward(tokens, to, dtable, d, erase, first, dread);
      if (erase == 1) {
        to.EraseBackward(tokens, first, d.derase, dread, dkey);
      } else {
        dread.Each([&](int t, int i, N x) { to.StoreRow(tokens, to.dq, t, first + i, x); });
      }
    }
    dkey.Each([&](int t, int i, N x) { to.StoreRow(tokens, to.dk, t, first + i, x); });
  }
  __syncthreads();
  to.StoreGates(tokens, to.derase_scale, [&](int64_t t) { return -d.derase[t]; });
  if (kStates == 2 || to.dlog_keep != nullptr) GatesBackward(tokens, to, dtable, d);
}

// Through the recursions, backwards: products become the cotangents lambda of gamma with all that
// follows from it, pi those of rho.
template <typename T, int kStates>
__device__ void NumberDecay<T, kStates>::GatesBackward(const Tokens<T>& tokens,
                                                       const ChunkGradients<T>& to, N* pi,
                                                       Gradients& d) {
  const ChunkProblem<T>& g = tokens.g;
  const int last = n_ - 1;
  N* lambda = d.products;
  const N dm = to.DotOfStates(tokens, 0, 0, d.sums);
  const N ds = kStates == 2 ? to.DotOfStates(tokens, 0, 1, d.sums) : N(0);
  const N dmomentum = kStates == 2 ? to.DotOfStates(tokens, 1, 1, d.sums) : N(0);
  const auto next = [&](const N* gates, int t) { return t == last ? N(0) : gates[t + 1]; };
  const int j = static_cast<int>(threadIdx.x);
  if (j < n_) {
    N above = N(0), above_pi = N(0);
    for (int t = last; t >= 0; --t) {
      N dgamma = lambda[t * n_ + j];
      if (g.erases() && t < last) dgamma += lambda[(n_ + t + 1) * n_ + j];
      if (t == last) dgamma += d.dlast_m[j];
      above = dgamma + next(keep_, t) * above;
      lambda[t * n_ + j] = above;
      if constexpr (kStates == 2) {
        const N drho = t == last ? d.dlast_s[j] : N(0);
        above_pi = drho + beta_[t] * above + next(eta_, t) * above_pi;
        pi[t * n_ + j] = above_pi;
      }
    }
  }
  // The same of the columns of M_0 and S_0, into the cotangents of queries.
  if (j == n_) {
    N kappa = N(0), lambda_s = N(0), pi_s = N(0);
    for (int t = last; t >= 0; --t) {
      const auto sum = [&](const N* dof, N of_last) {
        const N erase = g.erases() && t < last ? dof[n_ + t + 1] : N(0);
        return dof[t] + erase + (t == last ? of_last : N(0));
      };
      kappa = sum(d.dof_m, dm) + next(keep_, t) * kappa;
      d.dof_m[t] = kappa;
      if constexpr (kStates == 2) {
        lambda_s = sum(d.dof_s, ds) + next(keep_, t) * lambda_s;
        pi_s = (t == last ? dmomentum : N(0)) + beta_[t] * lambda_s + next(eta_, t) * pi_s;
        d.dof_s[t] = lambda_s;
        d.sums[t] = pi_s;
      }
    }
  }
  __syncthreads();
  to.StoreGates(tokens, to.dlog_keep, [&](int64_t t) {
    N dkeep = d.dof_m[t] * of_m_[t];
    if constexpr (kStates == 2) dkeep += d.dof_s[t] * of_s_[t];
    for (int64_t i = 0; i < t; ++i) dkeep += lambda[t * n_ + i] * Gamma(t - 1, i);
    return keep_[t] * dkeep;
  });
  if constexpr (kStates == 2) {
    to.StoreGates(tokens, to.dlog_eta, [&](int64_t t) {
      N deta = d.sums[t] * of_momentum_[t];
      for (int64_t i = 0; i < t; ++i) deta += pi[t * n_ + i] * Rho(t - 1, i);
      return eta_[t] * deta;
    });
    to.StoreGates(tokens, to.dbeta, [&](int64_t t) {
      N dbeta = d.dof_s[t] * of_momentum_[t + 1];
      for (int64_t i = 0; i <= t; ++i) dbeta += lambda[t * n_ + i] * Rho(t, i);
      return dbeta;
    });
  }
}

}  // namespace palimpsest::device

#endif  // KERNELS_DEVICE_CHUNK_NUMBER_CUH_
