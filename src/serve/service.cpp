#include "serve/service.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/output_file.h"
#include "pipeline/request_json.h"
#include "serve/api_error.h"
#include "serve/video_json.h"

namespace wan::serve {
namespace {

constexpr int64_t kRetryAfterKeyMs = int64_t{24} * 3600 * 1000;  // a key outlives its removed job by a day
constexpr int64_t kHistory = 5;                                  // videos of a kind that an estimate looks back on
constexpr std::chrono::milliseconds kLook{500};                  // how often an idle worker is looked after
constexpr int kMostDelayDoublings = 5;
constexpr double kMillijoules = 1e-3;

/// Equal for two requests that take the same time and memory, but for the length of their prompts.
std::string cost_key_of(Request request) {
  const bool has_prompts_own = !request.negative_prompt.empty();
  request.prompt.clear();
  request.negative_prompt = has_prompts_own ? "own" : "";
  request.seed = 0;
  request.image = request.image.empty() ? "" : "image";
  request.last_image = request.last_image.empty() ? "" : "image";
  return sha256_hex(request_json(request));
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

[[noreturn]] void refuse_request(const Error& problem) {
  const bool is_memory = dynamic_cast<const OutOfMemory*>(&problem) != nullptr;
  const auto* memory = dynamic_cast<const OutOfMemory*>(&problem);
  throw ApiError(400, is_memory ? "too_large" : "invalid_request", problem.what(),
                 memory != nullptr ? memory->advice() : "");
}

JobError error_of(const suite::Failure& failure) {
  if (failure.kind == "out_of_memory") {
    std::string message = failure.message;
    if (!failure.what_for.empty() && message.find(failure.what_for) == std::string::npos)
      message += " (" + failure.what_for + ")";
    return {failure.kind, message, failure.advice.empty() ? "ask for fewer frames or a smaller size" : failure.advice};
  }
  if (failure.kind == "usage" || failure.kind == "input") return {"invalid_request", failure.message, ""};
  return {failure.kind == "runtime" ? "engine_failed" : failure.kind, failure.message, ""};
}

}  // namespace

struct VideoService::Worker {
  Worker(const WorkerProgram& program, const std::filesystem::path& fifo, std::string its_device)
      : link(program, fifo), device(std::move(its_device)) {}

  WorkerLink link;
  std::string device;
  measure::Gpu* card = nullptr;
  std::thread thread;
  // Under the service's mutex:
  bool is_ready = false;
  std::string reason = "it has not started yet";
  int64_t starts = 0;
  std::optional<std::string> job_id;
};

VideoService::VideoService(ServiceOptions options, std::function<void()> changed)
    : options_(std::move(options)),
      changed_(std::move(changed)),
      files_(options_.folder),
      lock_(options_.folder),
      store_(options_.folder / "jobs.sqlite"),
      gpus_(measure::open_gpus()) {
  remove_left_parts(options_.folder);
  if (const int64_t left = store_.recover(options_.now_ms()); left > 0)
    log::info(fmt::format("{} videos were being made when the last server ended", left));
  files_.remove_others(store_.ids());
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  for (size_t i = 0; i < options_.devices.size(); ++i) {
    const std::string& device = options_.devices[i];
    workers_.push_back(
        std::make_unique<Worker>(options_.program, options_.folder / fmt::format("worker-{}.orders", i), device));
    workers_.back()->card = measure::find_gpu(gpus_, device, visible != nullptr ? visible : "");
  }
  for (const auto& worker : workers_) worker->thread = std::thread([this, &one = *worker] { work(one); });
}

VideoService::~VideoService() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  queue_changed_.notify_all();
  for (const auto& worker : workers_) worker->link.wake();
  for (const auto& worker : workers_) worker->thread.join();
}

void VideoService::drain() {
  {
    const std::lock_guard lock(mutex_);
    draining_ = true;
  }
  queue_changed_.notify_all();
  tell_change();
}

void VideoService::tell_change() {
  {
    const std::lock_guard lock(mutex_);
    ++jobs_version_;
  }
  changed_();
}

std::pair<uint64_t, uint64_t> VideoService::version(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  const auto live = live_.find(id);
  return {jobs_version_, live == live_.end() ? 0 : live->second.version()};
}

bool VideoService::is_idle() const {
  const std::lock_guard lock(mutex_);
  return std::ranges::none_of(workers_, [](const auto& worker) { return worker->job_id.has_value(); });
}

// ---- orders

Submitted VideoService::submit(Order order, const std::string& idempotency_key) {
  if (draining_)
    throw ApiError(503, "draining", "the server is ending and takes no more videos in", "ask again in a minute");
  if (files_.free_bytes() < options_.least_free_bytes)
    throw ApiError(507, "disk_full",
                   fmt::format("the server's disk has less than {} MiB free", options_.least_free_bytes >> 20),
                   "delete videos that are not needed any more, or have the server keep fewer (--keep-size)");
  Decisions decisions;
  try {
    decisions = options_.decide(order.request);
  } catch (const Error& problem) {
    refuse_request(problem);
  }
  NewJob job;
  job.id = new_job_id();
  job.idempotency_key = idempotency_key;
  job.digest = sha256_hex(order.given);
  job.order = order_text(order, decisions);
  if (!order.first_image.empty()) order.request.image = files_.first_image(job.id);
  if (!order.last_image.empty()) order.request.last_image = files_.last_image(job.id);
  job.cost_key = cost_key_of(order.request);
  job.request = request_json(order.request);
  Admitted admitted;
  try {
    if (!order.first_image.empty()) write_atomically(order.request.image, order.first_image);
    if (!order.last_image.empty()) write_atomically(order.request.last_image, order.last_image);
    admitted = store_.add(job, options_.now_ms(), options_.most_queued);
  } catch (...) {
    files_.remove_all(job.id);
    throw;
  }
  if (admitted.how != Admission::kAdded) files_.remove_all(job.id);
  switch (admitted.how) {
    case Admission::kAdded: break;
    case Admission::kSeenBefore:
      if (!admitted.job || admitted.job->cancel_requested == Job::Cancel::kAndRemove)
        throw ApiError(410, "video_deleted", "the video of this Idempotency-Key was made or queued, and then deleted",
                       "use a new key for a new video");
      return {view_of(std::move(*admitted.job)), false};
    case Admission::kKeyReused:
      throw ApiError(409, "idempotency_key_reused", "this Idempotency-Key belongs to another order",
                     "use a new key for another video");
    case Admission::kQueueFull:
      throw ApiError(429, "queue_full", fmt::format("{} videos wait already", options_.most_queued),
                     "ask again when one has been made, as Retry-After says");
  }
  tell_change();
  queue_changed_.notify_one();
  return {view_of(std::move(*admitted.job)), true};
}

std::optional<Estimate> VideoService::estimate(const Job& job) const {
  if (job.is_over()) return std::nullopt;
  const std::vector<double> seconds = store_.service_seconds(job.cost_key, kHistory);
  if (!seconds.empty())
    return Estimate{median(seconds), fmt::format("median of the last {} of this kind made here", seconds.size())};
  const std::lock_guard lock(mutex_);
  const auto found = expected_.find(job.cost_key);
  if (found == expected_.end()) return std::nullopt;
  return Estimate{found->second.seconds, found->second.basis};
}

VideoView VideoService::view_of(Job job) const {
  VideoView view;
  if (job.state == JobState::kQueued) view.queue_position = store_.queued_before(job.number) + 1;
  view.expected = estimate(job);
  if (job.state == JobState::kInProgress) {
    const std::lock_guard lock(mutex_);
    if (const auto found = live_.find(job.id); found != live_.end()) view.live = found->second;
  }
  view.job = std::move(job);
  return view;
}

namespace {

[[noreturn]] void refuse_unknown() {
  throw ApiError(404, "video_not_found", "no video has this id", "GET /v1/videos lists those that are kept");
}

}  // namespace

VideoView VideoService::view(std::string_view id) const {
  std::optional<Job> job = is_job_id(id) ? store_.find(id) : std::nullopt;
  if (!job) refuse_unknown();
  return view_of(std::move(*job));
}

std::pair<std::vector<VideoView>, bool> VideoService::list(const JobFilter& filter) const {
  JobPage page;
  try {
    page = store_.list(filter);
  } catch (const Error& problem) {
    if (problem.kind() != ErrorKind::kUsage) throw;
    throw ApiError(404, "video_not_found", problem.what(), "list from the start, without after", "after");
  }
  std::vector<VideoView> views;
  for (Job& job : page.jobs) views.push_back(view_of(std::move(job)));
  return {std::move(views), page.has_more};
}

VideoView VideoService::cancel(std::string_view id) {
  const Cancelled how = is_job_id(id) ? store_.cancel(id, options_.now_ms()) : Cancelled::kUnknown;
  switch (how) {
    case Cancelled::kUnknown: refuse_unknown();
    case Cancelled::kIsOver:
      throw ApiError(409, "video_is_over", "the video is completed or failed: there is nothing to cancel",
                     "DELETE removes it");
    case Cancelled::kWasBefore: break;
    case Cancelled::kAtOnce: {
      files_.remove_all(std::string(id));
      const std::lock_guard lock(mutex_);
      ++totals_.cancelled;
      break;
    }
    case Cancelled::kRequested: {
      const std::lock_guard lock(mutex_);
      to_stop_.emplace(id);
      for (const auto& worker : workers_) worker->link.wake();
      break;
    }
  }
  tell_change();
  return view(id);
}

void VideoService::remove(std::string_view id) {
  const Removed how = is_job_id(id) ? store_.remove(id) : Removed::kUnknown;
  if (how == Removed::kUnknown) refuse_unknown();
  if (how == Removed::kAtOnce) files_.remove_all(std::string(id));
  if (how == Removed::kRequested) {
    const std::lock_guard lock(mutex_);
    to_stop_.emplace(id);
    for (const auto& worker : workers_) worker->link.wake();
  }
  tell_change();
}

// ---- what is said of the whole

std::vector<WorkerView> VideoService::workers() const {
  std::vector<WorkerView> views;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& worker : workers_)
      views.push_back({worker->device, worker->is_ready, worker->reason, worker->starts, worker->job_id, std::nullopt});
  }
  for (size_t i = 0; i < workers_.size(); ++i)
    if (workers_[i]->card != nullptr) views[i].card = workers_[i]->card->read();
  return views;
}

ServiceTotals VideoService::totals() const {
  const std::lock_guard lock(mutex_);
  return totals_;
}

std::optional<std::string> VideoService::not_ready() const {
  if (draining_) return "the server is ending";
  if (files_.free_bytes() < options_.least_free_bytes) return "the disk is full";
  const std::lock_guard lock(mutex_);
  if (std::ranges::any_of(workers_, [](const auto& worker) { return worker->is_ready; })) return std::nullopt;
  return workers_.empty() ? "there is no worker" : "no worker is ready: " + workers_.front()->reason;
}

void VideoService::sweep() {
  const int64_t now = options_.now_ms();
  for (const std::string& id : outlived(store_.finished(), options_.retention, now))
    if (store_.remove(id) == Removed::kAtOnce) files_.remove_all(id);
  store_.forget_keys(now - kRetryAfterKeyMs);
}

// ---- workers

template <class Write>
void VideoService::keep_trying(Write write) {
  for (;;) {
    try {
      write();
      return;
    } catch (const Error& problem) {
      log::error(fmt::format("{}; trying again", problem.what()));
    }
    std::unique_lock lock(mutex_);
    if (queue_changed_.wait_for(lock, std::chrono::seconds(1), [this] { return stopping_.load(); }))
      return;  // the next server finds the job in progress, and makes it again
  }
}

bool VideoService::start(Worker& worker) {
  if (worker.link.is_running()) return true;
  std::string reason;
  try {
    worker.link.ensure_started();
  } catch (const Error& problem) {
    reason = problem.what();
    log::error(fmt::format("the worker of {} does not start: {}", worker.device, reason));
  }
  {
    const std::lock_guard lock(mutex_);
    worker.is_ready = reason.empty();
    worker.reason = reason;
    if (reason.empty()) ++worker.starts;
  }
  tell_change();
  return reason.empty();
}

void VideoService::work(Worker& worker) {
  int failures = 0;
  while (!stopping_) {
    if (!start(worker)) {
      const auto delay = kLook * (1 << std::min(failures++, kMostDelayDoublings));
      std::unique_lock lock(mutex_);
      queue_changed_.wait_for(lock, delay, [this] { return stopping_.load(); });
      continue;
    }
    failures = 0;
    const uint64_t seen = version("").first;
    std::optional<Job> job;
    try {
      if (!draining_) job = store_.claim(options_.now_ms());
    } catch (const Error& problem) {
      log::error(fmt::format("no video can be begun: {}", problem.what()));
    }
    if (job) {
      make(worker, *job);
      continue;
    }
    std::unique_lock lock(mutex_);
    queue_changed_.wait_for(lock, kLook, [&] { return stopping_ || jobs_version_ != seen; });
  }
}

MakeOrder VideoService::order_of(const Job& job, const Worker& worker) const {
  Request request = request_from_json(job.request);
  request.device = worker.device;
  return {0,
          request_json(request),
          files_.video(job.id),
          files_.poster(job.id),
          files_.last_frame(job.id),
          files_.preview(job.id)};
}

Attempt VideoService::attempt_of(Worker& worker, const Job& job) {
  Attempt attempt;
  MakeOrder order;
  try {
    order = order_of(job, worker);
  } catch (const Error& problem) {
    attempt.end = Attempt::End::kFailed;
    attempt.failure = suite::Failure{"input", problem.what(), {}, {}, {}, {}};
    return attempt;
  }
  const auto wish = [&] {
    if (stopping_) return Wish::kGiveUp;
    const std::lock_guard lock(mutex_);
    return to_stop_.contains(job.id) ? Wish::kCancel : Wish::kGoOn;
  };
  try {
    return worker.link.make(
        order, [&](const WorkerMessage& message) { notice(job.id, message); }, wish, options_.cancel_patience);
  } catch (const Error& problem) {  // the worker had ended, and did not start again
    attempt.end = Attempt::End::kKilled;
    attempt.what = problem.what();
    return attempt;
  }
}

void VideoService::make(Worker& worker, const Job& job) {
  {
    const std::lock_guard lock(mutex_);
    worker.job_id = job.id;
    live_[job.id] = {};
    totals_.queue_s += static_cast<double>(*job.started_ms - job.created_ms) / 1000;
  }
  tell_change();
  const auto energy = [&] { return worker.card != nullptr ? worker.card->read().energy_mj : std::nullopt; };
  const std::optional<double> before = energy();
  const Attempt attempt = attempt_of(worker, job);
  const std::optional<double> after = energy();
  std::optional<double> energy_j;
  if (before && after) energy_j = (*after - *before) * kMillijoules;
  LiveVideo live;
  {
    const std::lock_guard lock(mutex_);
    live = live_[job.id];
  }
  keep_trying([&] { conclude(worker, job, attempt, live, energy_j); });
  {
    const std::lock_guard lock(mutex_);
    live_.erase(job.id);
    to_stop_.erase(job.id);
    worker.job_id.reset();
    totals_.steps += static_cast<int64_t>(live.step_seconds().size());
    totals_.energy_j += energy_j.value_or(0);
    const bool is_alive = attempt.end == Attempt::End::kFinished || attempt.end == Attempt::End::kFailed;
    if (!is_alive) worker.is_ready = false, worker.reason = "it is being started again";
  }
  // A device that failed may go on failing in this process.
  if (attempt.failure && attempt.failure->kind == "runtime") worker.link.end();
  tell_change();
}

void VideoService::notice(const std::string& id, const WorkerMessage& message) {
  bool is_shown = false;
  {
    const std::lock_guard lock(mutex_);
    LiveVideo& live = live_[id];
    is_shown = live.take(message);
  }
  if (const auto* expected = std::get_if<ExpectedVideo>(&message)) {
    const std::optional<Job> job = store_.find(id);
    const std::lock_guard lock(mutex_);
    constexpr size_t kMostKinds = 1000;
    if (expected_.size() >= kMostKinds) expected_.clear();
    if (job) expected_[job->cost_key] = *expected;
  }
  if (is_shown) changed_();
}

void VideoService::conclude(Worker& worker, const Job& job, const Attempt& attempt, const LiveVideo& live,
                            const std::optional<double>& energy_j) {
  const int64_t now = options_.now_ms();
  const std::string no_energy = worker.card == nullptr ? "the video was not made on a card" : "the driver counts none";
  bool counts = false;
  ServiceTotals more;
  switch (attempt.end) {
    case Attempt::End::kFinished: {
      const double seconds = live.service_s().value_or(0);
      const std::string result = result_text(live, *attempt.finished, {energy_j, no_energy, options_.price});
      counts = store_.complete(job, result, files_.bytes_of(job.id), seconds, now);
      more.completed = 1;
      more.service_s = seconds;
      break;
    }
    case Attempt::End::kFailed:
      if (attempt.failure->kind == "interrupted") {
        counts = store_.cancel_ended(job, now);
        more.cancelled = 1;
      } else {
        counts = store_.fail(job, error_of(*attempt.failure), now);
        more.failed = 1;
      }
      break;
    case Attempt::End::kCrashed:
      counts = store_.fail(job,
                           {"worker_crashed", "the process that made this video ended in the middle: " + attempt.what,
                            "ask for it again; if it happens again, report it with the request"},
                           now);
      more.failed = 1;
      break;
    case Attempt::End::kKilled: store_.give_up(job, now); break;
    case Attempt::End::kStopped:
      if (!store_.put_back(job)) store_.cancel_ended(job, now);
      break;
  }
  files_.remove_preview(job.id);
  const std::optional<Job> left = store_.find(job.id);
  if (!left)
    files_.remove_all(job.id);
  else if (left->state != JobState::kCompleted)
    files_.remove_made(job.id);
  if (attempt.end == Attempt::End::kKilled)
    log::warning(fmt::format("the worker of {} was killed while it made {}: {}", worker.device, job.id, attempt.what));
  if (!counts) return;
  const std::lock_guard lock(mutex_);
  totals_.completed += more.completed;
  totals_.failed += more.failed;
  totals_.cancelled += more.cancelled;
  totals_.service_s += more.service_s;
}

}  // namespace wan::serve
