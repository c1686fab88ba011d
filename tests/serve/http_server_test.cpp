// The server by its socket: what is answered, and what of broken, slow, huge and too many requests is not.
#include "serve/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/subprocess.h"
#include "eventually.h"
#include "temporary_folder.h"

namespace wan::serve {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// Says what it was asked; /file is a file, /stream says each word of `words` once, /throw fails.
class Echo final : public HttpHandler {
 public:
  std::optional<HttpResponse> refuse(const HttpHead& head) override {
    if (head.path == "/secret") return refusal(403, "no");
    return std::nullopt;
  }
  uint64_t body_limit(const HttpHead&) override { return 1000; }
  HttpResponse answer(const HttpRequest& request) override {
    HttpResponse response;
    response.headers = {{"Content-Type", "text/plain"}};
    if (request.head.path == "/throw") throw std::runtime_error("on purpose");
    if (request.head.path == "/file") {
      response.body = FileBody{file, 2, 5};
    } else if (request.head.path == "/stream") {
      response.body = EventStream{[this]() -> StreamStep {
        const std::lock_guard lock(mutex);
        const std::string text = std::exchange(said, "");
        return {text, text == "end"};
      }};
    } else {
      response.body = request.head.method + " " + request.head.path + " [" + request.body + "]";
    }
    return response;
  }
  HttpResponse refusal(int status, const std::string& message) override {
    return {status, {{"Content-Type", "text/plain"}}, "refused: " + message};
  }
  void say(const std::string& text) {
    const std::lock_guard lock(mutex);
    said = text;
  }

  std::filesystem::path file;
  std::mutex mutex;
  std::string said;
};

class HttpServerTest : public testing::Test {
 protected:
  HttpServerTest() {
    limits_.connections = 100;  // one counts until the server has forgotten it, which is after its client saw the end
    limits_.streams = 1;
    limits_.header_bytes = 2048;
    limits_.body_bytes = 1500;
  }
  void start() { server_ = std::make_unique<HttpServer>("127.0.0.1", 0, handler_, limits_); }

  Descriptor connect() const {
    Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(server_->port());
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where), 0);
    return socket;
  }
  /// False once the server has closed.
  static bool send(const Descriptor& socket, std::string_view text) {
    return ::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }
  /// All until the server closes.
  static std::string receive(const Descriptor& socket) {
    std::string all;
    char piece[4096];
    for (ssize_t count = 0; (count = ::recv(socket.get(), piece, sizeof piece, 0)) > 0;)
      all.append(piece, static_cast<size_t>(count));
    return all;
  }
  /// Until `text` has come, or the server closes.
  static std::string receive_to(const Descriptor& socket, std::string_view text) {
    std::string all;
    char c = 0;
    while (all.find(text) == std::string::npos && ::recv(socket.get(), &c, 1, 0) == 1) all += c;
    return all;
  }
  std::string ask(std::string_view request) const {
    const Descriptor socket = connect();
    send(socket, request);
    return receive(socket);
  }

  const test::TemporaryFolder folder_;
  Echo handler_;
  HttpLimits limits_;
  std::unique_ptr<HttpServer> server_;
};

constexpr const char* kClose = "Host: x\r\nConnection: close\r\n";

TEST_F(HttpServerTest, RequestsOnOneConnectionAreAnsweredInTurn) {
  start();
  const Descriptor socket = connect();
  send(socket, "GET /a%20b?x=1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_THAT(receive_to(socket, "[]"), HasSubstr("GET /a b []"));
  EXPECT_THAT(receive_to(socket, "[abc]"), HasSubstr("POST /c [abc]"));
  send(socket,
       "POST /d HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: "
       "chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
  EXPECT_THAT(receive(socket), HasSubstr("POST /d [abc]"));
  EXPECT_EQ(server_->counts().requests, 3);
}

TEST_F(HttpServerTest, AHeadHasNoBody) {
  start();
  const std::string answer = ask(std::string("HEAD /abc HTTP/1.1\r\n") + kClose + "\r\n");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 12"));
  EXPECT_THAT(answer, Not(HasSubstr("/abc")));
}

TEST_F(HttpServerTest, APartOfAFileIsSent) {
  start();
  handler_.file = folder_ / "f";
  std::ofstream(handler_.file) << "0123456789";
  EXPECT_THAT(ask(std::string("GET /file HTTP/1.1\r\n") + kClose + "\r\n"), testing::EndsWith("\r\n\r\n23456"));
  handler_.file = folder_ / "gone";
  EXPECT_THAT(ask(std::string("GET /file HTTP/1.1\r\n") + kClose + "\r\n"), StartsWith("HTTP/1.1 500"));
}

TEST_F(HttpServerTest, AStreamGoesOnUntilItsEnd) {
  start();
  handler_.say("first");
  const Descriptor socket = connect();
  send(socket, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(receive_to(socket, "first"), HasSubstr("200 OK"));
  EXPECT_THAT(ask(std::string("GET /stream HTTP/1.1\r\n") + kClose + "\r\n"), StartsWith("HTTP/1.1 503"))
      << "more than one stream";
  handler_.say("second");
  server_->wake_streams();
  EXPECT_EQ(receive_to(socket, "second"), "second");
  handler_.say("end");
  server_->wake_streams();
  EXPECT_EQ(receive(socket), "end");
}

TEST_F(HttpServerTest, WhatIsNoRequestIsRefused) {
  start();
  for (const char* request :
       {"nonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET / HTTP/1.1\r\nbad header\r\n\r\n", "GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n"})
    EXPECT_THAT(ask(request), StartsWith("HTTP/1.1 400")) << request;
  EXPECT_THAT(ask(std::string("GET /throw HTTP/1.1\r\n") + kClose + "\r\n"), StartsWith("HTTP/1.1 500"));
  EXPECT_THAT(ask(std::string("GET / HTTP/1.1\r\n") + kClose + "Expect: wonders\r\n\r\n"), StartsWith("HTTP/1.1 417"));
}

TEST_F(HttpServerTest, HugeRequestsAreRefusedBeforeTheyAreRead) {
  start();
  EXPECT_THAT(ask("GET /" + std::string(4000, 'x') + " HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n"), StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n"),
              StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(ask("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n" + std::string(4095, 'x')),
              StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(ask("POST /secret HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n"), StartsWith("HTTP/1.1 403"));
}

TEST_F(HttpServerTest, BodiesTogetherAreBounded) {
  start();
  const Descriptor first = connect();
  send(first, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n");
  EXPECT_EQ(receive_to(first, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_THAT(ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 501\r\n\r\n"), StartsWith("HTTP/1.1 503"));
  send(first, std::string(1000, 'x'));
  EXPECT_THAT(receive_to(first, "]"), HasSubstr("200 OK"));
  EXPECT_THAT(ask(std::string("POST / HTTP/1.1\r\n") + kClose + "Content-Length: 1\r\n\r\nx"), HasSubstr("[x]"));
}

TEST_F(HttpServerTest, ConnectionsAreBounded) {
  limits_.connections = 3;
  start();
  std::vector<Descriptor> held;
  for (int i = 0; i < limits_.connections; ++i) {
    held.push_back(connect());
    send(held.back(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    receive_to(held.back(), "]");
  }
  EXPECT_THAT(receive(connect()), StartsWith("HTTP/1.1 503"));
  held.clear();
  EXPECT_TRUE(test::eventually([&] { return server_->counts().connections == 0; }));
  EXPECT_THAT(ask(std::string("GET / HTTP/1.1\r\n") + kClose + "\r\n"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, SlowClientsAreCutOff) {
  limits_.header_time = limits_.body_time = std::chrono::milliseconds(50);
  limits_.header_bytes = 1 << 20;
  start();
  const Descriptor silent = connect(), half = connect();
  EXPECT_EQ(receive(silent), "");
  send(half, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
  EXPECT_EQ(receive(half), "");
  const Descriptor loris = connect();
  EXPECT_TRUE(test::eventually([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return !send(loris, "x");
  })) << "a byte now and then keeps no connection";
  EXPECT_TRUE(test::eventually([&] { return server_->counts().connections == 0; }));
  EXPECT_GE(server_->counts().cut_off, 3);
}

TEST_F(HttpServerTest, AHalfClosedRequestIsAnsweredAndHalfARequestIsNot) {
  start();
  const Descriptor whole = connect();
  send(whole, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
  ::shutdown(whole.get(), SHUT_WR);
  EXPECT_THAT(receive(whole), HasSubstr("GET /x []"));
  const Descriptor part = connect();
  send(part, "GET /x HTTP/1.1\r\nHo");
  ::shutdown(part.get(), SHUT_WR);
  EXPECT_EQ(receive(part), "");
  const Descriptor body = connect();
  send(body, "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc");
  ::shutdown(body.get(), SHUT_WR);
  EXPECT_EQ(receive(body), "");
}

TEST_F(HttpServerTest, AnAddressThatCannotBeUsedIsNamed) {
  start();
  const std::vector<std::pair<std::string, uint16_t>> bad = {
      {"127.0.0.1", server_->port()}, {"nowhere", 0}, {"192.0.2.1", 0}};
  for (const auto& [address, port] : bad) {
    try {
      const HttpServer second(address, port, handler_);
      FAIL() << address;
    } catch (const Error& problem) {
      EXPECT_THAT(problem.what(), HasSubstr(address));
    }
  }
}

}  // namespace
}  // namespace wan::serve
