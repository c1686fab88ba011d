#include "comm/local.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <numeric>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace wan {
namespace {

/// to = from: equal shapes, unit inner strides.
void copy_view(const TensorView& from, const TensorView& to) {
  if (from.is_contiguous() && to.is_contiguous()) {
    std::memcpy(to.data, from.data, from.bytes());
    return;
  }
  for (int64_t i = 0; i < from.shape[0]; ++i) copy_view(from.at(i), to.at(i));
}

std::string text_of(const TensorView& view) {
  return view.empty() ? "nothing" : fmt::format("{} {}", name_of(view.dtype), view.shape.text());
}

bool has_unit_inner_stride(const TensorView& view) { return view.rank() == 0 || view.stride(-1) == 1; }

/// Brings what a rank sends here.
void receive(const TensorView& from, const TensorView& to, const char* name, size_t sender) {
  const bool fits =
      from.empty() == to.empty() && (from.empty() || (from.dtype == to.dtype && from.shape == to.shape &&
                                                      has_unit_inner_stride(from) && has_unit_inner_stride(to)));
  if (!fits)
    throw Error(fmt::format("{}: rank {} of the group sends {}, and {} is expected here, both with unit inner strides",
                            name, sender, text_of(from), text_of(to)));
  if (!from.empty() && from.count() > 0 && from.data != to.data) copy_view(from, to);
}

std::string ordinal(uint64_t number) {
  const uint64_t last = number % 10, teens = number % 100;
  const char* ending = "th";
  if (teens < 11 || teens > 13) ending = last == 1 ? "st" : last == 2 ? "nd" : last == 3 ? "rd" : "th";
  return fmt::format("{}{}", number, ending);
}

/// "rank 1", "ranks 0, 2 and 3".
std::string ranks_text(const std::vector<size_t>& ranks) {
  if (ranks.size() == 1) return fmt::format("rank {}", ranks.front());
  return fmt::format("ranks {} and {}", fmt::join(ranks.begin(), ranks.end() - 1, ", "), ranks.back());
}

/// "in Step_1_Inference, after qkv, behind its 17th collective".
std::string place_of(const Progress& progress) {
  const std::string stage = progress.stage.empty() ? "" : fmt::format("in {}, ", progress.stage);
  if (progress.entered == 0)
    return stage + (progress.what.empty() ? "before its first collective"
                                          : fmt::format("in {}, before its first collective", progress.what));
  return fmt::format("{}after {}, behind its {} collective", stage, progress.what, ordinal(progress.entered));
}

/// "Step_1_Inference, qkv".
std::string wait_of(const Progress& progress) {
  return progress.stage.empty() ? progress.what : fmt::format("{}, {}", progress.stage, progress.what);
}

/// The same failure with the rank that it is of.
[[noreturn]] void throw_named(const std::exception_ptr& problem, const std::string& rank) {
  try {
    std::rethrow_exception(problem);
  } catch (const OutOfMemory& error) {
    throw OutOfMemory(fmt::format("{}: {}", rank, error.what_for()), error.requested_bytes(), error.free_bytes(),
                      error.advice());
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kUsage || error.kind() == ErrorKind::kInterrupted) throw;
    throw Error(error.kind(), fmt::format("{}: {}", rank, error.what()));
  }
}

}  // namespace

/// What the ranks have in common, with one lock for all of it: they meet a few hundred times a step. Members are used
/// with the lock held, but for `options` and what takes it.
struct LocalState {
  struct Failure {
    size_t rank = 0;  // the first one
    std::exception_ptr problem;
    std::string where;  // which rank, and how far it was; empty: the problem says it
    int64_t at_ns = 0;
    int64_t grace_ns = kGraceNs;
  };

  LocalState(int size, const LocalOptions& with) : options(with), ranks(static_cast<size_t>(size)) {
    for (Progress& progress : ranks) progress.since_ns = options.now();
  }

  void set(size_t rank, Progress::State to) {
    ranks[rank].state = to;
    ranks[rank].since_ns = options.now();
  }
  /// The first failure stays the failure.
  void fail(size_t rank, std::exception_ptr problem, std::string where) {
    if (failure) return;
    failure = Failure{rank, std::move(problem), std::move(where), options.now()};
    changed.notify_all();
  }
  void lock_and_fail(size_t rank, std::exception_ptr problem) {
    const std::lock_guard lock(mutex);
    fail(rank, std::move(problem), fmt::format("rank {} of {}, {}", rank, ranks.size(), place_of(ranks[rank])));
  }
  void throw_if_failed() const {
    if (failure) throw Error(fmt::format("released, as rank {} of {} has failed", failure->rank, ranks.size()));
  }
  [[noreturn]] void throw_failure() const {
    if (failure->where.empty()) std::rethrow_exception(failure->problem);
    throw_named(failure->problem, failure->where);
  }
  std::vector<size_t> ranks_in(Progress::State state) const {
    std::vector<size_t> found;
    for (size_t rank = 0; rank < ranks.size(); ++rank)
      if (ranks[rank].state == state) found.push_back(rank);
    return found;
  }
  bool have_ended() const { return ranks_in(Progress::State::kEnded).size() == ranks.size(); }
  void check_progress(int64_t now);
  void check();

  const LocalOptions options;
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::vector<Progress> ranks;
  std::optional<Failure> failure;
  bool is_stuck_told = false;
};

/// Those that compute stand still, or all that are left where they wait for one another.
void LocalState::check_progress(int64_t now) {
  const std::vector<size_t> waiting = ranks_in(Progress::State::kWaiting);
  if (waiting.empty()) return;
  int64_t last = ranks.front().since_ns;
  for (const Progress& progress : ranks) last = std::max(last, progress.since_ns);
  if (now - last < options.timeout_ns) return;
  const std::vector<size_t> computing = ranks_in(Progress::State::kComputing);
  std::vector<std::string> waits, places, ends;
  for (const size_t rank : waiting) waits.push_back(fmt::format("rank {} in {}", rank, wait_of(ranks[rank])));
  for (const size_t rank : computing) places.push_back(fmt::format("rank {} {}", rank, place_of(ranks[rank])));
  for (const size_t rank : ranks_in(Progress::State::kEnded))
    ends.push_back(fmt::format("rank {} of {}, which has ended {}", rank, ranks.size(), place_of(ranks[rank])));
  const double seconds = static_cast<double>(now - last) * 1e-9;
  const std::string text = computing.empty()
                               ? fmt::format("ranks wait for {}, for {:.1f} s: {}",
                                             ends.empty() ? "one another" : fmt::format("{}", fmt::join(ends, ", ")),
                                             seconds, fmt::join(waits, ", "))
                               : fmt::format("{} of {} stand{} still for {:.1f} s: {}; waited for by {}",
                                             ranks_text(computing), ranks.size(), computing.size() == 1 ? "s" : "",
                                             seconds, fmt::join(places, ", "), fmt::join(waits, ", "));
  fail(computing.empty() ? waiting.front() : computing.front(), std::make_exception_ptr(Error(text)), {});
  failure->grace_ns = kStillGraceNs;
}

void LocalState::check() {
  std::unique_lock lock(mutex);
  const int64_t now = options.now();
  if (!failure) check_progress(now);
  if (!failure || is_stuck_told || !options.on_stuck || have_ended() || now - failure->at_ns < failure->grace_ns)
    return;
  is_stuck_told = true;
  std::optional<Error> told;
  try {
    throw_failure();
  } catch (const Error& error) {
    told = error;
  } catch (const std::exception& error) {
    told.emplace(fmt::format("{}: {}", failure->where, error.what()));
  } catch (...) {
    told.emplace(failure->where);
  }
  lock.unlock();
  options.on_stuck(*told);
}

namespace {

/// What one rank brings to a collective: valid until all have left it.
struct Brought {
  std::span<const TensorView> to;
  int colour = 0;
};

/// Ranks that meet. Members are used with the state's lock held.
struct Group {
  explicit Group(std::vector<size_t> of) : members(std::move(of)), brought(members.size()), made(members.size()) {}

  std::vector<size_t> members;  // their numbers among all
  size_t arrived = 0;
  uint64_t meetings = 0;
  const char* name = nullptr;  // of the collective that some have entered
  std::vector<const Brought*> brought;
  std::vector<std::shared_ptr<Group>> made;  // by the last split, of each member
};

class LocalCommunicator final : public Communicator {
 public:
  LocalCommunicator(std::shared_ptr<LocalState> state, std::shared_ptr<Group> group, size_t rank)
      : state_(std::move(state)), group_(std::move(group)), rank_(rank) {}

  int rank() const override { return static_cast<int>(rank_); }
  int size() const override { return static_cast<int>(group_->members.size()); }

  void all_to_all(std::span<const TensorView> to, std::span<const TensorView> from, const char* name) override {
    require_op(to.size() == group_->members.size() && from.size() == to.size(), "a view for every rank, both ways");
    meet(name, {to}, [&] {
      for (size_t r = 0; r < from.size(); ++r) receive(sent(r, rank_), from[r], name, r);
    });
  }

  void all_gather(const TensorView& mine, std::span<const TensorView> all, const char* name) override {
    require_op(all.size() == group_->members.size(), "a view for every rank");
    meet(name, {{&mine, 1}}, [&] {
      for (size_t r = 0; r < all.size(); ++r) receive(sent(r, 0), all[r], name, r);
    });
  }

  void exchange_halo(const Halo& halo, const char* name) override {
    const std::array to{halo.to_previous, halo.to_next};
    meet(name, {to}, [&] {
      const bool is_first = rank_ == 0, is_last = rank_ + 1 == group_->members.size();
      receive(is_first ? TensorView{} : sent(rank_ - 1, 1), halo.from_previous, name, is_first ? rank_ : rank_ - 1);
      receive(is_last ? TensorView{} : sent(rank_ + 1, 0), halo.from_next, name, is_last ? rank_ : rank_ + 1);
    });
  }

  void broadcast_host(std::span<std::byte> bytes, int root, const char* name) override {
    require_op(root >= 0 && root < size(), "the root is a rank of the group");
    const TensorView mine(bytes.data(), DType::kU8, {static_cast<int64_t>(bytes.size())}, Memory::kHost);
    meet(name, {{&mine, 1}},
         [&] { receive(sent(static_cast<size_t>(root), 0), mine, name, static_cast<size_t>(root)); });
  }

  void barrier(const char* name) override {
    meet(name, {}, [] {});
  }

  std::unique_ptr<Communicator> split(int colour) override {
    meet("split", {{}, colour}, [&] {
      if (rank_ == 0) make_groups();
    });
    const std::lock_guard lock(state_->mutex);
    const std::shared_ptr<Group>& group = group_->made[rank_];
    const size_t place =
        static_cast<size_t>(std::find(group->members.begin(), group->members.end(), number()) - group->members.begin());
    return std::make_unique<LocalCommunicator>(state_, group, place);
  }

  void advance(const char* what) override {
    const std::lock_guard lock(state_->mutex);
    state_->throw_if_failed();
    state_->ranks[number()].what = what;
    state_->set(number(), Progress::State::kComputing);
  }

  void enter_stage(const std::string& stage) override {
    const std::lock_guard lock(state_->mutex);
    state_->throw_if_failed();
    state_->ranks[number()].stage = stage;
    state_->set(number(), Progress::State::kComputing);
  }

  void abort(const std::string& why) override { state_->lock_and_fail(number(), std::make_exception_ptr(Error(why))); }

  std::vector<Progress> progress() const override {
    const std::lock_guard lock(state_->mutex);
    return state_->ranks;
  }

 private:
  size_t number() const { return group_->members[rank_]; }
  uint64_t entered() const {
    const std::lock_guard lock(state_->mutex);
    return state_->ranks[number()].entered;
  }
  const TensorView& sent(size_t rank, size_t index) const { return group_->brought[rank]->to[index]; }

  /// Calls `take` when every rank of the group has brought what is its own, and returns when all have taken.
  template <class Take>
  void meet(const char* name, const Brought& own, Take take) {
    if (state_->options.on_enter) state_->options.on_enter(static_cast<int>(number()), entered() + 1, name);
    std::unique_lock lock(state_->mutex);
    state_->throw_if_failed();
    enter(name);
    group_->brought[rank_] = &own;
    await(lock, true);
    lock.unlock();
    std::exception_ptr problem;
    try {
      take();
    } catch (...) {
      problem = std::current_exception();
    }
    lock.lock();
    // Whoever came this far only copies, and others read what is its own until it is here: nothing ends this wait.
    await(lock, false);
    if (problem) std::rethrow_exception(problem);
  }

  void enter(const char* name) {
    Progress& progress = state_->ranks[number()];
    progress.what = name;
    ++progress.entered;
    state_->set(number(), Progress::State::kWaiting);
    if (group_->arrived == 0) group_->name = name;
    if (std::string_view(group_->name) == name) return;
    const std::string what = fmt::format("enters {} where others of its group are in {}", name, group_->name);
    throw Error(what);
  }

  /// Until all are here, or where the wait may be given up until some rank has failed.
  void await(std::unique_lock<std::mutex>& lock, bool may_end) {
    Group& group = *group_;
    const uint64_t mine = group.meetings;
    if (++group.arrived == group.members.size()) {
      group.arrived = 0;
      ++group.meetings;
      for (const size_t rank : group.members) state_->set(rank, Progress::State::kComputing);
      state_->changed.notify_all();
      return;
    }
    state_->changed.wait(lock, [&] { return group.meetings != mine || (may_end && state_->failure); });
    if (group.meetings == mine) state_->throw_if_failed();
  }

  void make_groups() {
    const std::lock_guard lock(state_->mutex);
    Group& group = *group_;
    for (size_t r = 0; r < group.members.size(); ++r) {
      size_t first = 0;
      while (group.brought[first]->colour != group.brought[r]->colour) ++first;
      if (first < r) {
        group.made[r] = group.made[first];
        continue;
      }
      std::vector<size_t> members;
      for (size_t other = r; other < group.members.size(); ++other)
        if (group.brought[other]->colour == group.brought[r]->colour) members.push_back(group.members[other]);
      group.made[r] = std::make_shared<Group>(std::move(members));
    }
  }

  std::shared_ptr<LocalState> state_;
  std::shared_ptr<Group> group_;
  size_t rank_;  // in the group
};

/// Calls `check` now and then while it lives.
class Watchdog {
 public:
  explicit Watchdog(LocalState& state)
      : thread_([this, &state] {
          constexpr std::chrono::milliseconds kPeriod{100};
          std::unique_lock lock(mutex_);
          while (!ended_.wait_for(lock, kPeriod, [this] { return is_over_; })) {
            lock.unlock();
            state.check();
            lock.lock();
          }
        }) {}
  ~Watchdog() {
    {
      const std::lock_guard lock(mutex_);
      is_over_ = true;
    }
    ended_.notify_all();
    thread_.join();
  }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  bool is_over_ = false;
  std::thread thread_;
};

void run_rank(const std::shared_ptr<LocalState>& state, const std::shared_ptr<Group>& all, size_t rank,
              const std::function<void(Communicator&)>& body) {
  try {
    LocalCommunicator communicator(state, all, rank);
    body(communicator);
  } catch (const RankLeaves&) {
  } catch (...) {
    state->lock_and_fail(rank, std::current_exception());
  }
  const std::lock_guard lock(state->mutex);
  state->set(rank, Progress::State::kEnded);
}

}  // namespace

LocalRanks::LocalRanks(int size, const LocalOptions& options) {
  require_op(size > 0, "there is at least one rank");
  state_ = std::make_shared<LocalState>(size, options);
}

LocalRanks::~LocalRanks() = default;

void LocalRanks::run(const std::function<void(Communicator&)>& body) {
  const size_t size = state_->ranks.size();
  std::vector<size_t> members(size);
  std::iota(members.begin(), members.end(), size_t{0});
  const auto all = std::make_shared<Group>(std::move(members));
  {
    std::optional<Watchdog> watchdog;
    std::vector<std::jthread> threads;
    try {
      if (state_->options.watch == LocalOptions::Watch::kThread) watchdog.emplace(*state_);
      for (size_t rank = 1; rank < size; ++rank)
        threads.emplace_back([this, all, rank, &body] { run_rank(state_, all, rank, body); });
    } catch (const std::system_error& error) {
      const size_t rank = threads.size() + 1;
      state_->lock_and_fail(rank, std::make_exception_ptr(Error(fmt::format("no thread for it: {}", error.what()))));
    }
    run_rank(state_, all, 0, body);
    threads.clear();  // joins
  }
  const std::lock_guard lock(state_->mutex);
  if (state_->failure) state_->throw_failure();
}

void LocalRanks::check() { state_->check(); }

std::vector<Progress> LocalRanks::progress() const {
  const std::lock_guard lock(state_->mutex);
  return state_->ranks;
}

}  // namespace wan
