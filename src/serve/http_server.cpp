// Boost.Beast's parser and writer over Boost.Asio. A connection is one chain of calls on its strand: header, body,
// answer, next header.
#include "serve/http_server.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <limits>
#include <mutex>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "base/error.h"
#include "base/log.h"
#include "base/subprocess.h"
#include "serve/server.h"

namespace wan::serve {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = net::ip::tcp;
using Code = beast::error_code;

constexpr size_t kFilePiece = 256 << 10;
constexpr uint64_t kBytesASecond = 64 << 10;
constexpr std::chrono::seconds kLinger{2};
constexpr size_t kMostDropped = 8 << 20;

/// The request's line and headers as the routes have them; nothing where the target is not one of ours.
template <class Message>
std::optional<HttpHead> head_of(const Message& message) {
  HttpHead head;
  head.method = std::string(message.method_string());
  const std::string target(message.target());
  if (target.empty() || target.front() != '/') return std::nullopt;
  const size_t query = std::min(target.find('?'), target.size());
  head.path = percent_decoded(std::string_view(target).substr(0, query));
  if (query < target.size()) head.query = parse_query(std::string_view(target).substr(query + 1));
  for (const auto& field : message) {
    std::string name(field.name_string());
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    head.headers.emplace(std::move(name), std::string(field.value()));
  }
  return head;
}

}  // namespace

class Session;

struct HttpServer::State {
  State(HttpHandler& answers, const HttpLimits& bounds)
      : handler(answers),
        limits(bounds),
        context(bounds.threads),
        slow(static_cast<size_t>(bounds.slow_threads)),
        acceptor(net::make_strand(context)) {}

  void listen(const std::string& address, uint16_t port);
  void accept();
  void enter(const std::shared_ptr<Session>& session);
  void leave(const Session* session);

  HttpHandler& handler;
  HttpLimits limits;
  std::vector<std::thread> threads;
  std::mutex sessions_mutex;
  std::vector<std::pair<const Session*, std::weak_ptr<Session>>> streams;
  std::atomic<int64_t> connections{0}, stream_count{0}, requests{0}, refused{0}, cut_off{0};
  std::atomic<uint64_t> body_bytes{0};  // promised to bodies that are being read
  net::io_context context;              // behind all that the connections use, which end with it
  net::thread_pool slow;                // for answers that wait for the disk
  tcp::acceptor acceptor;
};

/// One connection.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, HttpServer::State& state)
      : stream_(std::move(socket)), timer_(stream_.get_executor()), state_(state) {
    ++state_.connections;
  }
  ~Session() {
    give_back_body();
    if (is_stream_) state_.leave(this);
    --state_.connections;
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void start() {
    net::dispatch(stream_.get_executor(), [self = shared_from_this()] { self->read_header(); });
  }
  /// For a connection more than there may be.
  void turn_away() {
    net::dispatch(stream_.get_executor(), [self = shared_from_this()] {
      self->must_close_ = true;
      self->answer(self->state_.handler.refusal(503, "too many connections at once"));
    });
  }
  void wake() {
    net::post(stream_.get_executor(), [self = shared_from_this()] {
      if (self->is_writing_)
        self->is_woken_ = true;
      else
        self->say_next();
    });
  }

 private:
  void read_header() {
    is_head_ = false;
    head_parser_.emplace();
    head_parser_->header_limit(state_.limits.header_bytes);
    head_parser_->body_limit(std::numeric_limits<uint64_t>::max());  // judged below, by the route
    stream_.expires_after(state_.limits.header_time);
    http::async_read_header(stream_, buffer_, *head_parser_,
                            [self = shared_from_this()](Code code, size_t) { self->on_header(code); });
  }

  void on_header(Code code) {
    if (code == beast::error::timeout) ++state_.cut_off;
    if (code == http::error::end_of_stream || code == beast::error::timeout || code == net::error::operation_aborted ||
        code == net::error::connection_reset || code == http::error::partial_message)
      return close();
    if (code == http::error::header_limit) return refuse(431, "the request's headers are too long");
    if (code) return refuse(400, fmt::format("this is no request of HTTP/1.1 ({})", code.message()));
    ++state_.requests;
    const auto& message = head_parser_->get();
    version_ = message.version();
    must_close_ = !message.keep_alive();
    is_head_ = message.method() == http::verb::head;
    std::optional<HttpHead> head = head_of(message);
    if (!head) return refuse(400, "the request's target must begin with '/'");
    if (message.count(http::field::host) > 1) return refuse(400, "the request names more than one host");
    request_.head = std::move(*head);
    if (auto early = guarded([&] { return state_.handler.refuse(request_.head); })) return answer_early(*early);
    read_body();
  }

  /// An answer without the body: what the client still sends is not read, so the connection ends.
  void answer_early(HttpResponse& response) {
    const bool has_body = head_parser_->chunked() || head_parser_->content_length().value_or(0) > 0;
    must_close_ = must_close_ || has_body;
    answer(std::move(response));
  }

  void read_body() {
    const uint64_t limit = state_.handler.body_limit(request_.head);
    const auto announced = head_parser_->content_length();
    if (announced && *announced > limit)
      return refuse(413, fmt::format("the body has {} bytes, at most {} are taken", *announced, limit));
    promised_ = head_parser_->chunked() ? limit : announced.value_or(0);
    if (state_.body_bytes.fetch_add(promised_) + promised_ > state_.limits.body_bytes)
      return refuse(503, "too many large requests at once");
    const std::string_view expects = request_.head.header("expect");
    if (!expects.empty() && !beast::iequals({expects.data(), expects.size()}, "100-continue"))
      return refuse(417, "Expect: only 100-continue is known");
    body_parser_.emplace(std::move(*head_parser_));
    body_parser_->body_limit(limit);
    const auto seconds = std::chrono::seconds(promised_ / kBytesASecond);
    stream_.expires_after(state_.limits.body_time + seconds);
    if (expects.empty() || promised_ == 0) return take_body();
    go_on_ = "HTTP/1.1 100 Continue\r\n\r\n";
    net::async_write(stream_, net::buffer(go_on_), [self = shared_from_this()](Code code, size_t) {
      if (code) return self->close();
      self->take_body();
    });
  }

  void take_body() {
    http::async_read(stream_, buffer_, *body_parser_,
                     [self = shared_from_this()](Code code, size_t) { self->on_body(code); });
  }

  void on_body(Code code) {
    if (code == beast::error::timeout) ++state_.cut_off;
    if (code == http::error::body_limit) return refuse(413, "the body is too long");
    if (code == http::error::bad_chunk || code == http::error::bad_chunk_extension)
      return refuse(400, "the body's chunks cannot be read");
    if (code) return close();  // it ended early: nobody waits for an answer, or nobody should
    request_.body = std::move(body_parser_->get().body());
    body_parser_.reset();
    stream_.expires_never();
    const bool only_reads = request_.head.method == "GET" || request_.head.method == "HEAD";
    if (only_reads) return answer(handled());
    net::post(state_.slow, [self = shared_from_this()] {
      auto response = std::make_shared<HttpResponse>(self->handled());  // a handler's call must be copyable
      net::post(self->stream_.get_executor(), [self, response] { self->answer(std::move(*response)); });
    });
  }

  HttpResponse handled() {
    auto response = guarded([&] { return std::optional(state_.handler.answer(request_)); });
    request_ = {};
    give_back_body();
    return std::move(*response);
  }

  void give_back_body() { state_.body_bytes -= std::exchange(promised_, 0); }

  /// Whatever a handler throws is an answer.
  template <class Call>
  std::optional<HttpResponse> guarded(Call call) {
    try {
      return call();
    } catch (const std::exception& problem) {
      log::error(fmt::format("a request was not answered: {}", problem.what()));
      return state_.handler.refusal(500, "the server failed; its log says why");
    }
  }

  void refuse(int status, const std::string& message) {
    must_close_ = true;
    answer(state_.handler.refusal(status, message));
  }

  void put_head(http::response<http::string_body>& message, const HttpResponse& response) const {
    message.version(version_);
    message.result(static_cast<unsigned>(response.status));
    for (const auto& [name, value] : response.headers) message.set(name, value);
    message.keep_alive(!must_close_);
  }

  void answer(HttpResponse response) {
    stream_.expires_after(state_.limits.write_time);
    if (auto* text = std::get_if<std::string>(&response.body)) return answer_text(response, std::move(*text));
    if (auto* file = std::get_if<FileBody>(&response.body)) return answer_file(response, *file);
    answer_stream(response);
  }

  void answer_text(const HttpResponse& response, std::string text) {
    text_ = {};
    put_head(text_, response);
    text_.content_length(text.size());
    if (!is_head_) text_.body() = std::move(text);
    write_text([self = shared_from_this()] { self->next_request(); });
  }

  /// What `text_` holds, its body only where it has one.
  template <class Then>
  void write_text(Then then) {
    serializer_.emplace(text_);
    http::async_write(stream_, *serializer_, [self = shared_from_this(), then](Code code, size_t) {
      if (code == beast::error::timeout) ++self->state_.cut_off;
      if (code) return self->close();
      then();
    });
  }

  void answer_file(HttpResponse& response, const FileBody& file) {
    file_ = Descriptor(::open(file.file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file_.open()) {
      log::error(fmt::format("{}: cannot be read: {}", file.file.string(), std::strerror(errno)));
      return answer(state_.handler.refusal(500, "the file cannot be read; the server's log says why"));
    }
    at_ = file.first;
    left_ = is_head_ ? 0 : file.length;
    text_ = {};
    put_head(text_, response);
    text_.content_length(file.length);
    serializer_.emplace(text_);
    http::async_write_header(stream_, *serializer_, [self = shared_from_this()](Code code, size_t) {
      if (code) return self->close();
      self->write_piece();
    });
  }

  void write_piece() {
    if (left_ == 0) {
      file_.reset();
      return next_request();
    }
    piece_.resize(std::min<uint64_t>(left_, kFilePiece));
    const ssize_t count = ::pread(file_.get(), piece_.data(), piece_.size(), static_cast<off_t>(at_));
    if (count <= 0) return close();  // shorter than was said: the client sees that by the length
    piece_.resize(static_cast<size_t>(count));
    at_ += static_cast<uint64_t>(count);
    left_ -= static_cast<uint64_t>(count);
    stream_.expires_after(state_.limits.write_time);
    net::async_write(stream_, net::buffer(piece_), [self = shared_from_this()](Code code, size_t) {
      if (code == beast::error::timeout) ++self->state_.cut_off;
      if (code) return self->close();
      self->write_piece();
    });
  }

  void answer_stream(HttpResponse& response) {
    if (state_.stream_count >= state_.limits.streams)
      return answer(state_.handler.refusal(503, "too many streams at once"));
    events_ = std::get<EventStream>(std::move(response.body));
    must_close_ = true;  // its end is that of the connection
    text_ = {};
    put_head(text_, response);
    is_writing_ = true;
    is_stream_ = true;
    state_.enter(shared_from_this());
    serializer_.emplace(text_);
    http::async_write_header(stream_, *serializer_, [self = shared_from_this()](Code code, size_t) {
      self->is_writing_ = false;
      if (code || self->is_head_) return self->close();
      self->say_next();
    });
  }

  void say_next() {
    if (!events_.next) return;
    is_woken_ = false;
    StreamStep step;
    try {
      step = events_.next();
    } catch (const std::exception& problem) {
      log::error(fmt::format("a stream was cut off: {}", problem.what()));
      return close();
    }
    if (step.text.empty() && step.is_over) return close();
    if (step.text.empty()) return wait_for_news();
    said_ = std::move(step.text);
    is_writing_ = true;
    timer_.cancel();
    stream_.expires_after(state_.limits.write_time);
    net::async_write(stream_, net::buffer(said_), [self = shared_from_this(), over = step.is_over](Code code, size_t) {
      self->is_writing_ = false;
      if (code || over) return self->close();
      if (self->is_woken_) return self->say_next();
      self->wait_for_news();
    });
  }

  void wait_for_news() {
    stream_.expires_never();
    timer_.expires_after(state_.limits.heartbeat);
    timer_.async_wait([self = shared_from_this()](Code code) {
      if (code || self->is_writing_ || !self->events_.next) return;
      self->said_ = ": still here\n\n";  // a comment: whoever has gone is noticed by it
      self->is_writing_ = true;
      self->stream_.expires_after(self->state_.limits.write_time);
      net::async_write(self->stream_, net::buffer(self->said_), [self](Code written, size_t) {
        self->is_writing_ = false;
        if (written) return self->close();
        self->say_next();
      });
    });
  }

  void next_request() {
    if (must_close_) return linger();
    read_header();
  }

  /// Nothing more is said, but what the client still sends is taken for a moment: bytes that nobody reads would end the
  /// connection before the answer is there.
  void linger() {
    Code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    stream_.expires_after(kLinger);
    piece_.resize(kFilePiece);
    drop_more(kMostDropped);
  }
  void drop_more(size_t at_most) {
    stream_.async_read_some(net::buffer(piece_), [self = shared_from_this(), at_most](Code code, size_t count) {
      if (code || count >= at_most) return self->close();
      self->drop_more(at_most - count);
    });
  }

  void close() {
    events_.next = nullptr;
    timer_.cancel();
    Code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    stream_.close();
  }

  beast::tcp_stream stream_;
  net::steady_timer timer_;
  HttpServer::State& state_;
  beast::flat_buffer buffer_{1 << 20};
  std::optional<http::request_parser<http::empty_body>> head_parser_;
  std::optional<http::request_parser<http::string_body>> body_parser_;
  HttpRequest request_;
  uint64_t promised_ = 0;
  std::string go_on_;
  unsigned version_ = 11;
  bool must_close_ = false, is_head_ = false;
  http::response<http::string_body> text_;
  std::optional<http::response_serializer<http::string_body>> serializer_;
  Descriptor file_;
  uint64_t at_ = 0, left_ = 0;
  std::string piece_, said_;
  EventStream events_;
  bool is_stream_ = false, is_writing_ = false, is_woken_ = false;
};

void HttpServer::State::listen(const std::string& address, uint16_t port) {
  const auto fail = [&](std::string_view doing, const Code& code) {
    throw Error(ErrorKind::kUsage, fmt::format("cannot {} {} port {}: {}", doing, address, port, code.message()));
  };
  Code code;
  const net::ip::address where = net::ip::make_address(address, code);
  if (code)
    throw Error(ErrorKind::kUsage, fmt::format("--address '{}': expected an address such as 127.0.0.1", address));
  const tcp::endpoint endpoint(where, port);
  acceptor.open(endpoint.protocol(), code);
  if (code) fail("open", code);
  acceptor.set_option(net::socket_base::reuse_address(true), code);
  acceptor.bind(endpoint, code);
  if (code) fail("listen on", code);
  acceptor.listen(net::socket_base::max_listen_connections, code);
  if (code) fail("listen on", code);
}

void HttpServer::State::accept() {
  acceptor.async_accept(net::make_strand(context), [this](Code code, tcp::socket socket) {
    if (code == net::error::operation_aborted) return;
    if (!code) {
      Code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      const auto session = std::make_shared<Session>(std::move(socket), *this);
      if (connections > limits.connections) {
        ++refused;
        session->turn_away();
      } else {
        session->start();
      }
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));  // out of descriptors: some will come back
    }
    accept();
  });
}

void HttpServer::State::enter(const std::shared_ptr<Session>& session) {
  const std::lock_guard lock(sessions_mutex);
  ++stream_count;
  streams.emplace_back(session.get(), session);
}

void HttpServer::State::leave(const Session* session) {
  const std::lock_guard lock(sessions_mutex);
  --stream_count;
  std::erase_if(streams, [&](const auto& one) { return one.first == session; });
}

void require_server() {}

HttpServer::HttpServer(const std::string& address, uint16_t port, HttpHandler& handler, const HttpLimits& limits)
    : state_(std::make_unique<State>(handler, limits)) {
  state_->listen(address, port);
  state_->accept();
  for (int i = 0; i < limits.threads; ++i) state_->threads.emplace_back([this] { state_->context.run(); });
}

HttpServer::~HttpServer() {
  state_->context.stop();
  state_->slow.stop();
  state_->slow.join();
  for (std::thread& thread : state_->threads) thread.join();
}

uint16_t HttpServer::port() const { return state_->acceptor.local_endpoint().port(); }

void HttpServer::wake_streams() {
  std::vector<std::shared_ptr<Session>> live;
  {
    const std::lock_guard lock(state_->sessions_mutex);
    for (const auto& [session, weak] : state_->streams)
      if (auto held = weak.lock()) live.push_back(std::move(held));
  }
  for (const auto& session : live) session->wake();
}

HttpCounts HttpServer::counts() const {
  return {state_->connections, state_->stream_count, state_->requests, state_->refused, state_->cut_off};
}

}  // namespace wan::serve
