package main

import (
	"fmt"
	"html"
	"net/http"
	"strings"
	"time"

	"github.com/naru-deploy/naru/examples/app"
)

// product is one thing for sale.
type product struct {
	Item  string `json:"item"`
	Name  string `json:"name"`
	Cents int    `json:"cents"`
}

func catalogue() []product {
	return []product{
		{Item: "tea", Name: "Green tea, 100 g", Cents: 450},
		{Item: "cup", Name: "Cup, celadon", Cents: 1200},
		{Item: "pot", Name: "Teapot, 0.6 l", Cents: 2990},
	}
}

// shop is one instance. What the versions do differently is decided here:
//
//	1.0      sells
//	1.1      gives bonus points for an order
//	1.1-bad  adds up a cart wrongly, which its functional check finds
//	1.2      fails under load, which only a load test finds
type shop struct {
	program  app.Program
	products []product
	carts    *carts
	points   bool
	miscount bool
	strain   *strain // nil: bears any load
}

func newShop(p app.Program) *shop {
	s := &shop{
		program:  p,
		products: catalogue(),
		carts:    newCarts(),
		points:   !strings.HasPrefix(p.Version, "1.0"),
		miscount: strings.HasSuffix(p.Version, "-bad"),
	}
	if strings.HasPrefix(p.Version, "1.2") {
		s.strain = &strain{limit: strainLimit}
	}
	return s
}

func (s *shop) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /products", s.list)
	mux.HandleFunc("POST /cart", s.add)
	mux.HandleFunc("GET /cart", s.show)
	mux.HandleFunc("POST /checkout", s.checkout)
	return mux
}

// page is for people: the products, each with a button.
func (s *shop) page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<!doctype html><title>shop</title><h1>shop %s</h1>\n", html.EscapeString(s.program.Version))
	for _, p := range s.products {
		fmt.Fprintf(w, "<form method=post action=/cart>%s, %d.%02d <button name=item value=%s>Buy</button></form>\n",
			html.EscapeString(p.Name), p.Cents/100, p.Cents%100, p.Item)
	}
	fmt.Fprintln(w, "<p><a href=/cart>Cart</a><form method=post action=/checkout><button>Order</button></form>")
}

func (s *shop) list(w http.ResponseWriter, _ *http.Request) {
	if s.strain != nil && s.strain.fails(time.Now()) {
		app.Error(w, http.StatusInternalServerError, "the shop is crowded")
		return
	}
	app.JSON(w, http.StatusOK, map[string]any{"version": s.program.Version, "products": s.products})
}

// cart is what a customer sees of it.
type cart struct {
	Items []product `json:"items"`
	Cents int       `json:"cents"`
}

// order is a cart that was bought.
type order struct {
	Order string `json:"order"`
	cart
	Points int `json:"points,omitempty"`
}

func (s *shop) add(w http.ResponseWriter, r *http.Request) {
	item := r.FormValue("item")
	if _, found := s.find(item); !found {
		app.Error(w, http.StatusUnprocessableEntity, fmt.Sprintf("there is no %q for sale; GET /products tells what is", item))
		return
	}
	app.JSON(w, http.StatusOK, s.fill(s.carts.add(w, r, item)))
}

func (s *shop) show(w http.ResponseWriter, r *http.Request) {
	app.JSON(w, http.StatusOK, s.fill(s.carts.of(r)))
}

func (s *shop) checkout(w http.ResponseWriter, r *http.Request) {
	number, items := s.carts.take(r)
	if len(items) == 0 {
		app.Error(w, http.StatusConflict, "the cart is empty")
		return
	}
	o := order{Order: fmt.Sprintf("%s-%d", s.program.Instance, number), cart: s.fill(items)}
	if s.points {
		o.Points = o.Cents / 100
	}
	s.program.Log.Printf("order %s: %d items, %d cents", o.Order, len(o.Items), o.Cents)
	app.JSON(w, http.StatusOK, o)
}

// fill looks up the items of a cart, and adds up.
func (s *shop) fill(items []string) cart {
	c := cart{Items: []product{}}
	for _, item := range items {
		p, _ := s.find(item) // only what was found came into a cart
		c.Items = append(c.Items, p)
		c.Cents += p.Cents
		if s.miscount {
			c.Cents = p.Cents
		}
	}
	return c
}

func (s *shop) find(item string) (product, bool) {
	for _, p := range s.products {
		if p.Item == item {
			return p, true
		}
	}
	return product{}, false
}
