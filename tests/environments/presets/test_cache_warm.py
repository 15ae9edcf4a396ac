from tests.environments.presets.conftest import Bench, MakeBench, Web


def test_pages_are_asked_for_until_they_answer(any_bench: Bench, web: Web) -> None:
    web.statuses = {"/": [503, 200], "/products?page=1&it's": [200], "/moved": [302]}
    said = any_bench.run("cache-warm", paths=["/", "/products?page=1&it's"], port=web.port, host="shop.example")
    assert said == "200 /\n200 /products?page=1&it's\n"
    assert web.asked == [(path, "shop.example") for path in ("/", "/", "/products?page=1&it's")]


def test_the_port_of_the_application_is_the_usual_one(any_bench: Bench, web: Web) -> None:
    web.statuses = {"/": [200]}
    any_bench.environment["DEPLOYER_PORT"] = str(web.port)
    any_bench.environment["http_proxy"] = "http://127.0.0.1:9"
    any_bench.run("cache-warm", paths=["/"])
    del any_bench.environment["DEPLOYER_PORT"]
    assert "No port is known here" in any_bench.fail("cache-warm", paths=["/"])


def test_another_answer_is_a_failure(any_bench: Bench, web: Web) -> None:
    web.statuses = {"/": [500]}
    said = any_bench.fail("cache-warm", paths=["/"], port=web.port, patience=2)
    assert said == f"/ on port {web.port} answered 500, not 200, in 2 tries.\n"
    assert len(web.asked) == 2


def test_a_redirect_is_its_own_answer(any_bench: Bench, web: Web) -> None:
    web.statuses = {"/": [302], "/elsewhere": [200]}
    assert any_bench.run("cache-warm", paths=["/"], port=web.port, expect=302) == "302 /\n"
    assert "answered 302, not 200" in any_bench.fail("cache-warm", paths=["/"], port=web.port, patience=1)


def test_nobody_there_is_a_failure(any_bench: Bench) -> None:
    assert "Nothing answered / on port 1" in any_bench.fail("cache-warm", paths=["/"], port=1, patience=1)


def test_a_host_without_any_tool_is_told(make_bench: MakeBench) -> None:
    bench = make_bench("perl")
    bench.environment["PATH"] = str(bench.own)
    assert "Neither curl nor perl nor wget" in bench.fail("cache-warm", paths=["/"], port=1, patience=1)
