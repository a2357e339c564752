#include "core/parallel.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace palimpsest {
namespace {

class ParallelTest : public testing::Test {
 protected:
  ~ParallelTest() override { SetNumThreads(threads_); }
  const int threads_ = NumThreads();
};

TEST_F(ParallelTest, EveryIndexOnceInPartsOfAtLeastTheGrain) {
  for (const int threads : {1, 2, 3, 8}) {
    SetNumThreads(threads);
    EXPECT_EQ(NumThreads(), threads);
    for (const int64_t n : {0, 1, 7, 64, 1000, 4097}) {
      for (const int64_t grain : {0, 1, 10, 5000}) {
        std::vector<int> visits(n);
        std::mutex mutex;
        std::vector<std::pair<int64_t, int64_t>> parts;
        ParallelFor(n, grain, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) ++visits[i];
          const std::lock_guard lock(mutex);
          parts.emplace_back(begin, end);
        });
        EXPECT_EQ(std::count(visits.begin(), visits.end(), 1), n) << n << " by " << grain;
        for (const auto& [begin, end] : parts) EXPECT_TRUE(end - begin >= grain || end == n);
      }
    }
  }
}

TEST_F(ParallelTest, SeveralThreadsTakePart) {
  SetNumThreads(2);
  // Each part waits for the other: on one thread this would not end.
  std::atomic<int> arrived = 0;
  ParallelFor(2, 1, [&](int64_t begin, int64_t end) {
    arrived += static_cast<int>(end - begin);
    while (arrived < 2) std::this_thread::yield();
  });
  EXPECT_EQ(arrived, 2);
}

TEST_F(ParallelTest, NestedCallsRunOnTheirThread) {
  SetNumThreads(4);
  std::atomic<int64_t> sum = 0;
  std::atomic<bool> same = true;
  ParallelFor(100, 1, [&](int64_t begin, int64_t end) {
    const auto thread = std::this_thread::get_id();
    for (int64_t i = begin; i < end; ++i) {
      ParallelFor(50, 1, [&](int64_t first, int64_t last) {
        if (std::this_thread::get_id() != thread) same = false;
        sum += last - first;
      });
    }
  });
  EXPECT_EQ(sum, 5000);
  EXPECT_TRUE(same);
}

TEST_F(ParallelTest, ManySmallJobs) {
  SetNumThreads(3);
  int64_t total = 0;
  std::vector<int64_t> values(64);
  for (int job = 0; job < 20000; ++job) {
    ParallelFor(64, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) values[i] = job + i;
    });
    total += values[job % 64] - job % 64 - job;
  }
  EXPECT_EQ(total, 0);
}

TEST_F(ParallelTest, RunsOnAsManyThreadsAsTheMachineGives) {
  pthread_attr_t usual, huge;
  ASSERT_EQ(pthread_getattr_default_np(&usual), 0);
  ASSERT_EQ(pthread_attr_init(&huge), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&huge, size_t{1} << 47), 0);  // No machine has that.
  ASSERT_EQ(pthread_setattr_default_np(&huge), 0);
  SetNumThreads(5);
  EXPECT_EQ(pthread_setattr_default_np(&usual), 0);
  EXPECT_EQ(NumThreads(), 1);
  int64_t sum = 0;
  ParallelFor(10, 1, [&](int64_t begin, int64_t end) { sum += end - begin; });
  EXPECT_EQ(sum, 10);
}

TEST_F(ParallelTest, CallersOnSeveralThreadsAndAChangingPool) {
  std::atomic<bool> stop = false;
  std::atomic<int64_t> jobs = 0;
  std::vector<std::thread> callers;
  for (int c = 0; c < 2; ++c) {
    callers.emplace_back([&] {
      while (!stop) {
        std::vector<int> visits(100);
        ParallelFor(100, 1, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) ++visits[i];
        });
        ASSERT_EQ(std::count(visits.begin(), visits.end(), 1), 100);
        ++jobs;
      }
    });
  }
  for (int i = 0; i < 50 || jobs < 100; ++i) SetNumThreads(1 + i % 4);
  stop = true;
  for (std::thread& t : callers) t.join();
}

}  // namespace
}  // namespace palimpsest
