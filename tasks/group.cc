#include "tasks/group.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace palimpsest {
namespace {

using Permutation = std::vector<int>;

constexpr size_t kMostElements = 5040;  // S7: a table of 100 MB.
constexpr int kMostPoints = 5040;

Permutation After(const Permutation& a, const Permutation& b) {
  Permutation product(b.size());
  for (size_t i = 0; i < b.size(); ++i) product[i] = a[b[i]];
  return product;
}

Permutation Identity(int points) {
  Permutation identity(points);
  std::iota(identity.begin(), identity.end(), 0);
  return identity;
}

// (first, first + 1, ..., first + length - 1) of `points`.
Permutation Cycle(int points, int first, int length) {
  Permutation cycle = Identity(points);
  for (int i = 0; i < length; ++i) cycle[first + i] = first + (i + 1) % length;
  return cycle;
}

Permutation Reversal(int points) {
  Permutation reversal = Identity(points);
  std::reverse(reversal.begin(), reversal.end());
  return reversal;
}

// Generators of one factor, on n points.
std::vector<Permutation> Generators(char family, int n) {
  std::vector<Permutation> generators;
  switch (family) {
    case 'S':
      if (n >= 2) generators = {Cycle(n, 0, 2), Cycle(n, 0, n)};
      break;
    case 'A':
      for (int i = 0; i + 3 <= n; ++i) generators.push_back(Cycle(n, i, 3));
      break;
    case 'Z': generators = {Cycle(n, 0, n)}; break;
    case 'D': generators = {Cycle(n, 0, n), Reversal(n)}; break;
    default: break;
  }
  return generators;
}

absl::Status BadName(const std::string& name, const std::string& why) {
  return absl::InvalidArgumentError(
      absl::StrCat("group is \"", name, "\", ", why,
                   "; it is S, A, Z or D and a number, as in S3, or a product as in A4_x_Z5"));
}

// The generators of all factors, each on points of its own.
absl::StatusOr<std::vector<Permutation>> AllGenerators(const std::string& name) {
  std::vector<std::pair<char, int>> factors;
  int points = 0;
  for (const absl::string_view factor : absl::StrSplit(name, "_x_")) {
    int n = 0;
    if (factor.empty() || std::string("SAZD").find(factor[0]) == std::string::npos ||
        !absl::SimpleAtoi(factor.substr(1), &n) || n < 1)
      return BadName(name, absl::StrCat("and there is no \"", factor, "\""));
    if (n > kMostPoints || points > kMostPoints) return BadName(name, "which is too large");
    if (factor[0] == 'D' && n < 3) return BadName(name, "and D begins with the triangle's D3");
    factors.emplace_back(factor[0], n);
    points += n;
  }
  std::vector<Permutation> all;
  int offset = 0;
  for (const auto& [family, n] : factors) {
    for (const Permutation& generator : Generators(family, n)) {
      Permutation moved = Identity(points);
      for (int i = 0; i < n; ++i) moved[offset + i] = offset + generator[i];
      all.push_back(std::move(moved));
    }
    offset += n;
  }
  if (all.empty()) all.push_back(Identity(points));
  return all;
}

}  // namespace

absl::StatusOr<Group> Group::Make(const std::string& name) {
  const absl::StatusOr<std::vector<Permutation>> generators = AllGenerators(name);
  if (!generators.ok()) return generators.status();
  const Permutation identity = Identity(static_cast<int>((*generators)[0].size()));
  std::set<Permutation> elements = {identity};
  std::vector<Permutation> found = {identity};
  for (size_t i = 0; i < found.size(); ++i) {
    for (const Permutation& generator : *generators) {
      Permutation next = After(generator, found[i]);
      if (elements.insert(next).second) found.push_back(std::move(next));
    }
    if (elements.size() > kMostElements)
      return BadName(name, absl::StrCat("which has more than ", kMostElements, " elements"));
  }
  Group group;
  group.elements_.assign(elements.begin(), elements.end());
  std::map<Permutation, int32_t> index;
  for (const Permutation& p : group.elements_) index.emplace(p, static_cast<int32_t>(index.size()));
  for (const Permutation& a : group.elements_)
    for (const Permutation& b : group.elements_) group.products_.push_back(index.at(After(a, b)));
  return group;
}

}  // namespace palimpsest
