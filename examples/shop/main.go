// Shop is a small shop whose carts live in the memory of the instance. It is
// the example of a blue-green deployment, 1.0 to 1.1, with tests and a load
// test before the switch.
//
//	GET  /                the page
//	GET  /products        what there is
//	POST /cart   item=tea put one into the cart
//	GET  /cart            what is in it
//	POST /checkout        order it
//
// With --check it is the opposite: a customer who tries all of it out, at
// NARU_PREVIEW_URL or at the URL given, and exits with 1 if something is wrong.
package main

import (
	"flag"
	"os"

	"github.com/naru-deploy/naru/examples/app"
)

func main() {
	checking := flag.Bool("check", false, "try out the shop at NARU_PREVIEW_URL, or at the URL given, and exit")
	program := app.Parse("shop")
	if *checking {
		url := os.Getenv("NARU_PREVIEW_URL")
		if flag.NArg() > 0 {
			url = flag.Arg(0)
		}
		if err := check(url, os.Getenv("NARU_VERSION")); err != nil {
			program.Log.Fatalf("check failed: %v", err)
		}
		program.Log.Print("check passed: version, products, cart and checkout")
		return
	}
	program.Main(app.Service{Handler: newShop(program).routes()})
}
